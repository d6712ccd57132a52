"""Sentiment, topic, and whether a list has a word."""

from random import Random

from training import invent, lexicon
from training.sample import Sample, bot, system, user
from training.wording import join

REVIEWS = {
    "positive": [
        "I love this {o}",
        "the {o} is excellent",
        "a wonderful {o}, very happy with it",
        "best {o} I have ever bought",
        "the {o} works perfectly",
        "great quality and fast delivery of the {o}",
        "I am delighted with the {o}",
        "fantastic {o}, I recommend it",
    ],
    "negative": [
        "I hate this {o}",
        "the {o} is terrible",
        "a horrible {o}, very unhappy with it",
        "worst {o} I have ever bought",
        "the {o} broke after one day",
        "bad quality and slow delivery of the {o}",
        "I am disappointed with the {o}",
        "awful {o}, do not buy it",
    ],
    "neutral": [
        "the {o} is okay",
        "the {o} arrived on {d}",
        "an average {o}, nothing special",
        "the {o} is neither good nor bad",
        "I bought the {o} last week",
        "the {o} does what it says",
    ],
}
TOPICS = {
    "sports": [
        "The team won the {s} match in {c}",
        "{n} scored twice in the {s} final",
        "The coach changed the {s} training plan",
    ],
    "cooking": [
        "Boil the {v} and add some salt",
        "Bake the {f} cake for 40 minutes",
        "Cut the {v} and fry it with garlic",
    ],
    "technology": [
        "The new phone has a faster processor",
        "The server crashed after the software update",
        "{co} released a new laptop with more memory",
    ],
    "travel": [
        "We booked a flight to {c} and a hotel near the beach",
        "The train to {c} takes four hours",
        "Pack your suitcase for the trip to {c}",
    ],
    "finance": [
        "The bank raised its interest rate",
        "The stock price of {co} fell by 3 percent",
        "{n} opened a savings account at the bank",
    ],
    "weather": [
        "Heavy rain and strong wind are expected in {c}",
        "Tomorrow will be sunny with 25 degrees in {c}",
        "Snow fell in {c} during the night",
    ],
    "health": [
        "The doctor told {n} to rest and drink water",
        "The nurse measured the blood pressure of {n}",
        "Walking every day is good for the heart",
    ],
    "music": [
        "The band played the {i} all night",
        "{n} recorded a new song with a {i}",
        "The concert in {c} was sold out",
    ],
    "animals": [
        "The {a} slept under the tree",
        "A {a} and its young were seen near the river",
        "The zoo in {c} has a new {a}",
    ],
    "school": [
        "The teacher gave the class homework",
        "{n} passed the exam in mathematics",
        "The students of {c} start school in September",
    ],
}


def _fill(r: Random, template: str) -> str:
    return template.format(
        s=r.choice(lexicon.SPORTS),
        c=invent.city(r),
        n=invent.first_name(r),
        v=r.choice(lexicon.VEGETABLES),
        f=r.choice(lexicon.FRUITS),
        co=invent.company(r),
        i=r.choice(lexicon.INSTRUMENTS),
        a=invent.animal(r),
        o=invent.thing(r),
        d=invent.day(r),
    )


def _sentiment(r: Random) -> tuple[str, str, str]:
    """(text, label, question)"""
    label = r.choice(list(REVIEWS))
    text = _fill(r, r.choice(REVIEWS[label]))
    labels = list(REVIEWS)
    if label != "neutral" and r.random() < 0.4:
        labels.remove("neutral")
    r.shuffle(labels)
    ask = r.choice(
        [
            f"Classify the sentiment as {join(labels, 'or')}.",
            f"Is this review {join(labels, 'or')}?",
            f"What is the sentiment: {', '.join(labels)}?",
        ]
    )
    return text, label, ask


def _topic(r: Random) -> tuple[str, str, str]:
    """(text, label, question)"""
    labels = r.sample(list(TOPICS), r.randint(2, 6))
    label = r.choice(labels)
    text = _fill(r, r.choice(TOPICS[label]))
    ask = r.choice(
        [
            f"Classify the text into one of these labels: {', '.join(labels)}.",
            f"Which topic fits best: {join(labels, 'or')}?",
            f"Choose the right category ({', '.join(labels)}).",
        ]
    )
    return text, label, ask


def classification(r: Random) -> Sample:
    """The sentiment or the topic of a sentence; the answer is the label alone."""
    text, label, ask = (_sentiment if r.random() < 0.5 else _topic)(r)
    text = text[0].upper() + text[1:] + r.choice([".", "!", "."])
    ask += r.choice(["", " Answer with one word.", " Reply with the label only."])
    if r.random() < 0.3:
        messages = [system(ask), user(text)]
    else:
        messages = [user(r.choice([f"{ask}\n\n{text}", f"{text}\n\n{ask}", f'{ask} Text: "{text}"']))]
    why = f"The text is about {label}." if label in TOPICS else f"The text sounds {label}."
    return Sample("classify", [*messages, bot(label, why)], check=("exact", label), plain=False)


def yes_no(r: Random) -> Sample:
    """Whether a list of words has a given one; the reasoning goes through them all."""
    items = invent.distinct(r, invent.word, r.randint(3, 9))
    x = r.choice(items) if r.random() < 0.5 else invent.word(r)
    yes, listing = x in items, ", ".join(items)
    ask = r.choice(
        [
            f'Is the word "{x}" in this list: {listing}?',
            f"List: {listing}\nDoes the list contain {x}?",
            f"Here are some words: {listing}. Is {x} one of them?",
        ]
    ) + r.choice([" Answer yes or no.", ""])
    answer = f"Yes, {x} is in the list." if yes else f"No, {x} is not in the list."
    if "Answer yes or no" in ask:
        answer = "yes" if yes else "no"
    looked = "; ".join(f"{w} {'yes' if w == x else 'no'}" for w in items)
    why = f"I look for {x}. {looked}. The word is {'' if yes else 'not '}in the list."
    return Sample("classify", [user(ask), bot(answer, why)], check=("exact", answer))
