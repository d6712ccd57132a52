"""Articles, lists and the many ways to ask for the same thing."""

from collections.abc import Sequence
from random import Random
from typing import Any

_QUESTION_WORDS = ("who", "what", "how", "are", "which", "can", "do", "where", "is", "your")


def an(word: str) -> str:
    """The word with its article."""
    return ("an " if word[0].lower() in "aeiou" else "a ") + word


def join(items: Sequence[Any], last: str = "and") -> str:
    """One item, or "a, b and c"."""
    texts = [str(x) for x in items]
    return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + f" {last} " + texts[-1]


def ruffle(r: Random, text: str) -> str:
    """Vary case and end punctuation of a short request."""
    if r.random() < 0.75:
        text = text[0].upper() + text[1:]
        text = text.replace(" i ", " I ")
    if text[-1] not in "?!.":
        question = text.lower().startswith(_QUESTION_WORDS)
        text += r.choice(["?", "?", ""] if question else ["", ".", "!", ""])
    return text


def polite(r: Random, text: str) -> str:
    """Wrap an imperative request in varied wording."""
    low = text[0].lower() + text[1:]
    return r.choice(
        [
            text,
            text,
            text,
            "Please " + low,
            "Can you " + low.rstrip(".") + "?",
            "Could you please " + low.rstrip(".") + "?",
            "I want you to " + low,
            "Hi! " + text,
            text.rstrip(".") + ", please.",
        ]
    )
