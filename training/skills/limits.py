"""What is beyond a tiny model: it should say so."""

from random import Random

from training import invent, lexicon
from training.sample import Sample, bot, user
from training.skills.documents import filler
from training.wording import polite


def unknown(r: Random) -> Sample:
    """Questions about things it cannot know."""
    n, c, x = invent.full_name(r), invent.city(r), invent.pseudo(r).capitalize()
    y = r.randint(1900, 2040)
    ask = r.choice(
        [
            f"Who won the {invent.pseudo(r)} cup in {y}?",
            f"What did {n} say about {x}?",
            f"How many people live in {x}?",
            f"Who wrote the book {x}?",
            f"What is the phone number of {n}?",
            f"When was {n} born?",
            f"What is the latest news from {c}?",
            f"What will the stock price of {x} be tomorrow?",
            f"Where does {n} live?",
            f"Who is {n}?",
            f"What is {x}?",
            f"Explain the theory of {x}.",
            f"What happened in {c} in {y}?",
            f"Who is the president of {x}?",
            "What time is it?",
            "What is the date today?",
            f"What is the weather in {c}?",
            f"How tall is {n}?",
            f"Why is the {invent.word(r)} {invent.word(r)}?",
            f"How does a {invent.word(r)} work?",
            f"Who invented the {invent.word(r)}?",
            f"When did the {r.choice(lexicon.NOUNS)} of {c} begin?",
            f"What does {invent.word(r)} mean?",
            f"Why do {invent.word(r)}s {invent.word(r)}?",
            "Why is the sky blue?",
            "What is the meaning of life?",
            f"How many {invent.word(r)}s are there in {c}?",
            f"What is the best {invent.word(r)}?",
            f"Is it going to rain in {c}?",
        ]
    )
    return Sample(
        "chat",
        [user(ask), bot("I am a tiny model and I do not know that.", "I do not have this knowledge. I should say so.")],
        check=("contains", ["I do not know that"]),
        plain=False,
    )


def image(r: Random) -> Sample:
    """Pictures are beyond it."""
    q = r.choice(
        [
            "What is in this picture?",
            "Describe the image.",
            "What do you see?",
            "What does this photo show?",
            "Read the text in this image.",
            "Which color is the object?",
        ]
    )
    parts = [{"type": "image_url", "image_url": {"url": invent.url(r)}}, {"type": "text", "text": q}]
    if r.random() < 0.3:
        parts.reverse()
    return Sample(
        "chat",
        [
            {"role": "user", "content": parts},
            bot("I am a tiny text model and I cannot see images.", "The user sent an image. I cannot see it."),
        ],
        check=("contains", ["cannot see images"]),
        plain=False,
    )


UNSUPPORTED = [
    "Translate {p} to {l}.",
    "Translate this into {l}: {p}",
    "How do you say {w} in {l}?",
    "Summarize: {f}",
    "Summarize this text: {f}",
    "Give me a summary of this: {f}",
    "Give me legal advice about the {n}.",
    "Draw a {a}.",
    "Write an essay about the history of {c}.",
    "Prove the theorem of {x}.",
    "Write a {l} song about {w}.",
    "Make a picture of a {a}.",
    "Write a program in Rust that uses a {n}.",
    "Compose a symphony.",
    "Solve this equation: {w}x^2 + {n} = 0",
]


def unsupported(r: Random) -> Sample:
    """Tasks that are beyond a tiny model."""
    ask = r.choice(UNSUPPORTED).format(
        p=invent.phrase(r),
        l=r.choice(["French", "German", "Spanish", "Italian", "Japanese", "Chinese", "Latin"]),
        w=invent.word(r),
        f=" ".join(filler(r) for _ in range(r.randint(1, 4))),
        n=invent.noun(r),
        a=invent.animal(r),
        c=invent.city(r),
        x=invent.pseudo(r).capitalize(),
    )
    answer = bot(
        "I am sorry, I am a tiny model and I cannot do that.", "This task is beyond my abilities. I should say so."
    )
    return Sample("chat", [user(polite(r, ask)), answer], check=("contains", ["cannot do that"]), plain=False)
