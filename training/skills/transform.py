"""Small operations on a text: repeat, change case, reverse, count, list, replace."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from training import invent, lexicon
from training.sample import Sample, bot, user
from training.skills.documents import filler
from training.wording import join, polite


class Passage(NamedTuple):
    """The text to work on, and the same as the request quotes it."""

    words: list[str]
    text: str
    quote: str

    def ask(self, r: Random, verb: str) -> str:
        """`verb` and the quoted text."""
        plain = f"{verb} {self.quote}" if self.quote != self.text else f"{verb}: {self.text}"
        return r.choice([f"{verb}: {self.quote}", f"{verb}: {self.quote}", plain])


def _exact(question: str, answer: str, why: str) -> Sample:
    return Sample("transform", [user(question), bot(answer, why)], check=("exact", answer))


def _repeat(r: Random, p: Passage) -> Sample:
    if r.random() < 0.5:
        text = r.choice([invent.phrase, invent.phrase, invent.code, filler, _pseudo_words])(r)
        p = Passage(p.words, text, r.choice(['"{}"', "{}"]).format(text))
    question = r.choice(
        [
            p.ask(r, "Repeat after me"),
            p.ask(r, "Repeat this text"),
            f"Say {p.quote}.",
            f"Say exactly: {p.text}",
            p.ask(r, "Repeat"),
            p.ask(r, "Echo this back"),
            p.ask(r, "Copy this text exactly"),
            f"Reply with exactly: {p.text}",
            f"Respond with {p.quote} and nothing else.",
        ]
    )
    return _exact(question, p.text, f"I will repeat: {p.text}")


def _pseudo_words(r: Random) -> str:
    return " ".join(invent.pseudo(r) for _ in range(r.randint(1, 6)))


def _uppercase(r: Random, p: Passage) -> Sample:
    verbs = ["Convert to uppercase", "Write in capital letters", "Make this uppercase", "Uppercase this"]
    question = r.choice([p.ask(r, verb) for verb in verbs])
    return _exact(question, p.text.upper(), f"The words in capitals: {p.text.upper()}")


def _lowercase(r: Random, p: Passage) -> Sample:
    question = r.choice([p.ask(r, verb) for verb in ("Convert to lowercase", "Make this lowercase")])
    return _exact(question.replace(p.text, p.text.upper()), p.text, f"The words in lowercase: {p.text}")


def _reverse(r: Random, p: Passage) -> Sample:
    verbs = ["Reverse the word order", "Reverse the order of the words", "Write these words in reverse order"]
    question = r.choice([p.ask(r, verb) for verb in verbs])
    answer = " ".join(p.words[::-1])
    return _exact(question, answer, f"From the last word to the first: {answer}")


def _count_words(r: Random, p: Passage) -> Sample:
    n = len(p.words)
    question = r.choice(
        [p.ask(r, "Count the words"), f'How many words are in "{p.text}"?', p.ask(r, "How many words are there")]
    )
    why = "; ".join(f"{i} {w}" for i, w in enumerate(p.words, 1)) + f". That is {n}."
    return _exact(question, f"There are {n} words.", why)


_NUMERALS = ["two", "three", "four", "five", "six", "seven", "eight"]


def _name_some(r: Random, p: Passage) -> Sample:
    """Members of a category; always in the same order, so that greedy decoding does not repeat one."""
    topic = r.choice(list(lexicon.TOPIC_LISTS))
    members = lexicon.TOPIC_LISTS[topic]
    n = r.randint(2, min(8, len(members)))
    numbered = r.random() < 0.4
    verb = r.choice(["List", "Name", "Give me"])
    question = polite(r, f"{verb} {r.choice([str(n), _NUMERALS[n - 2]])} {topic}")
    answer = join(members[:n])
    if numbered:
        question += " Use a numbered list."
        answer = "\n".join(f"{i}. {x}" for i, x in enumerate(members[:n], 1))
    return Sample("list", [user(question), bot(answer, f"I will name {n} {topic}.")], check=("list", topic, n))


def _letter(r: Random, p: Passage) -> Sample:
    word = p.words[0]
    end, letter = ("first", word[0]) if r.random() < 0.5 else ("last", word[-1])
    question = r.choice([f"What is the {end} letter of {word}?", f'What is the {end} letter of the word "{word}"?'])
    return _exact(question, f"The {end} letter of {word} is {letter}.", f"The word is {word}: {' '.join(word)}.")


def _end_word(r: Random, p: Passage) -> Sample:
    end, word = ("first", p.words[0]) if r.random() < 0.5 else ("last", p.words[-1])
    question = r.choice([p.ask(r, f"What is the {end} word"), f"Give me the {end} word of {p.quote}"])
    return _exact(question, word, f"The {end} word is {word}.")


def _separate(r: Random, p: Passage) -> Sample:
    if r.random() < 0.5:
        verb, answer = "Separate these words with commas", ", ".join(p.words)
    else:
        verb, answer = "Write these words as a bullet list", "\n".join(f"- {w}" for w in p.words)
    return _exact(p.ask(r, verb), answer, f"There are {len(p.words)} words.")


def _replace(r: Random, p: Passage) -> Sample:
    old, new = r.choice(p.words), invent.word(r)
    answer = " ".join(new if w == old else w for w in p.words)
    question = r.choice(
        [
            f"Replace {old} with {new} in: {p.text}",
            f'Replace the word "{old}" with "{new}" in this text: {p.text}',
        ]
    )
    return _exact(question, answer, f"I change {old} to {new}: {answer}")


def _count_up(r: Random, p: Passage) -> Sample:
    low = r.choice([1, 1, 1, r.randint(2, 50)])
    high = low + r.choice([r.randint(3, 20), r.randint(3, 20), r.randint(10, 60)]) - 1
    down = r.random() < 0.25
    numbers = [str(i) for i in range(low, high + 1)]
    question = r.choice(
        [
            f"Count from {low} to {high}.",
            f"Count from {low} to {high}",
            f"Write the numbers from {low} to {high}.",
            f"List all numbers from {low} to {high}.",
        ]
    )
    if low == 1 and r.random() < 0.3:
        question = r.choice([f"Count to {high}.", f"count to {high}", f"Can you count to {high}?"])
    if down:
        numbers.reverse()
        question = r.choice([f"Count down from {high} to {low}.", f"Count backwards from {high} to {low}."])
    return _exact(question, ", ".join(numbers), f"I start at {numbers[0]} and stop at {numbers[-1]}.")


def _times(r: Random, p: Passage) -> Sample:
    text, n = r.choice([invent.word(r), invent.pseudo(r), invent.phrase(r, 2)]), r.randint(2, 6)
    question = r.choice([f"Write {text} {n} times.", f'Repeat "{text}" {n} times.', f"Say {text} {n} times."])
    return _exact(question, " ".join([text] * n), f"I write it {n} times.")


_VARIANTS: list[Callable[[Random, Passage], Sample]] = [
    *[_repeat] * 3,
    *[_uppercase] * 3,
    *[_lowercase] * 2,
    _reverse,
    *[_count_words] * 2,
    _name_some,
    *[_letter] * 2,
    _end_word,
    _separate,
    _replace,
    _count_up,
    _times,
]


def transform(r: Random) -> Sample:
    """One of the operations on two to eight random words."""
    words = invent.words(r, r.randint(2, 8))
    text = " ".join(words)
    quote = r.choice(['"{}"', "{}", "{}", "'{}'"]).format(text)
    return r.choice(_VARIANTS)(r, Passage(words, text, quote))
