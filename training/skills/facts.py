"""A little knowledge of the world."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from training import invent, lexicon
from training.sample import Sample, bot, dumps, user

SOUNDS = {
    "cat": "meow",
    "dog": "woof",
    "cow": "moo",
    "sheep": "baa",
    "duck": "quack",
    "pig": "oink",
    "snake": "hiss",
    "owl": "hoot",
    "lion": "roar",
    "frog": "croak",
}
# (question, sentence, short answer)
FACTS = [
    ("How many days are in a week?", "A week has 7 days.", "7"),
    ("How many months are in a year?", "A year has 12 months.", "12"),
    ("How many hours are in a day?", "A day has 24 hours.", "24"),
    ("How many minutes are in an hour?", "An hour has 60 minutes.", "60"),
    ("How many seconds are in a minute?", "A minute has 60 seconds.", "60"),
    ("How many days are in a year?", "A year has 365 days.", "365"),
    ("What color is the sky?", "The sky is blue.", "blue"),
    ("What color is grass?", "Grass is green.", "green"),
    ("What color is snow?", "Snow is white.", "white"),
    ("What color is a banana?", "A banana is yellow.", "yellow"),
    ("What color is coal?", "Coal is black.", "black"),
    ("What color is blood?", "Blood is red.", "red"),
    ("How many legs does a spider have?", "A spider has 8 legs.", "8"),
    ("How many legs does a dog have?", "A dog has 4 legs.", "4"),
    ("How many wheels does a bicycle have?", "A bicycle has 2 wheels.", "2"),
    ("How many wheels does a car have?", "A car has 4 wheels.", "4"),
    ("How many sides does a triangle have?", "A triangle has 3 sides.", "3"),
    ("How many sides does a square have?", "A square has 4 sides.", "4"),
    ("How many planets are in the solar system?", "The solar system has 8 planets.", "8"),
    ("How many continents are there?", "There are 7 continents.", "7"),
    ("What is the largest planet?", "The largest planet is Jupiter.", "Jupiter"),
    ("What planet do we live on?", "We live on Earth.", "Earth"),
    ("What is frozen water called?", "Frozen water is called ice.", "ice"),
    ("What is H2O?", "H2O is water.", "water"),
    ("At what temperature does water boil?", "Water boils at 100 degrees Celsius.", "100"),
    ("At what temperature does water freeze?", "Water freezes at 0 degrees Celsius.", "0"),
    ("What is the largest ocean?", "The largest ocean is the Pacific Ocean.", "Pacific"),
    ("What gives us light during the day?", "The sun gives us light during the day.", "sun"),
    ("How many letters are in the alphabet?", "The English alphabet has 26 letters.", "26"),
    ("What do bees make?", "Bees make honey.", "honey"),
    ("What language is spoken in France?", "French is spoken in France.", "French"),
    ("What language is spoken in Germany?", "German is spoken in Germany.", "German"),
]


class Fact(NamedTuple):
    question: str
    sentence: str
    answer: str


def _capital(r: Random) -> Fact:
    country = invent.country(r)
    city = lexicon.CAPITALS[country]
    ask = r.choice(
        [
            f"What is the capital of {country}?",
            f"Which city is the capital of {country}?",
            f"Name the capital of {country}.",
            f"Tell me the capital of {country}.",
        ]
    )
    return Fact(ask, f"The capital of {country} is {city}.", city)


def _opposite(r: Random) -> Fact:
    x, y = r.choice(lexicon.OPPOSITES)
    x, y = (x, y) if r.random() < 0.5 else (y, x)
    ask = r.choice([f"What is the opposite of {x}?", f"Give me the opposite of {x}.", f"Name the opposite of {x}."])
    return Fact(ask, f"The opposite of {x} is {y}.", y)


def _calendar(r: Random) -> Fact:
    unit, names = ("day", lexicon.DAYS) if r.random() < 0.5 else ("month", lexicon.MONTHS)
    i = r.randrange(len(names))
    where, answer = ("after", names[(i + 1) % len(names)]) if r.random() < 0.5 else ("before", names[i - 1])
    ask = r.choice([f"Which {unit} comes {where} {names[i]}?", f"What comes {where} {names[i]}?"])
    return Fact(ask, f"{answer} comes {where} {names[i]}.", answer)


def _sound(r: Random) -> Fact:
    animal = r.choice(list(SOUNDS))
    ask = r.choice([f"What sound does a {animal} make?", f"What does a {animal} say?"])
    return Fact(ask, f"A {animal} says {SOUNDS[animal]}.", SOUNDS[animal])


def _listed(r: Random) -> Fact:
    return Fact(*r.choice(FACTS))


_KINDS: list[Callable[[Random], Fact]] = [_capital, _capital, _opposite, _calendar, _sound, _listed, _listed]


def knowledge(r: Random) -> Sample:
    """A fact as a sentence, as a bare answer or as JSON."""
    ask, sentence, answer = r.choice(_KINDS)(r)
    k = r.random()
    why = f"This is a simple question. {sentence}"
    if k < 0.55:
        return Sample("facts", [user(ask), bot(sentence, why)], check=("contains", [answer]))
    if k < 0.8:
        tail = r.choice(
            [
                "Answer in one word.",
                "Reply with only the answer.",
                "Only the answer, please.",
                "Answer briefly with just the answer.",
            ]
        )
        return Sample("facts", [user(f"{ask} {tail}"), bot(answer, why)], check=("exact", answer))
    key = r.choice(["answer", "result", "value", "reply", invent.ident(r)])
    tail = r.choice(
        [
            f'Answer as JSON with the key "{key}".',
            f'Reply with a JSON object like {{"{key}": "..."}}.',
            f"Return JSON with one key, {key}.",
        ]
    )
    return Sample("json", [user(f"{ask} {tail}"), bot(dumps({key: answer}), why)], check=("json", {key: answer}))
