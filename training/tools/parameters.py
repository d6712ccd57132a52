"""Random parameters of arbitrary tools."""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from training import invent, lexicon
from training.lexicon import words_of
from training.sample import JSON
from training.tools.case import spaced


class Drawn(NamedTuple):
    """A parameter and a value for it. `make` gives another value as an example, for free texts only."""

    name: str
    schema: JSON
    value: Any
    make: Callable[[Random], str] | None = None


_LANGUAGES = ["English", "French", "German", "Spanish", "Italian"]
_TEXTS: list[tuple[str, Callable[[Random], str]]] = [
    ("name", invent.full_name),
    ("title", invent.phrase),
    ("city", invent.city),
    ("email", invent.email),
    ("date", invent.iso_date),
    ("time", invent.clock),
    ("message", invent.phrase),
    ("id", invent.code),
    ("code", invent.code),
    ("color", invent.color),
    ("company", invent.company),
    ("phone", invent.phone),
    ("url", invent.url),
    ("path", invent.path),
    ("owner", invent.first_name),
    ("customer", invent.full_name),
    ("topic", invent.word),
    ("category", invent.word),
    ("description", invent.phrase),
    ("country", invent.country),
    ("language", lambda r: r.choice(_LANGUAGES)),
    ("query", invent.phrase),
    ("reason", invent.phrase),
    ("address", lambda r: f"{r.randint(1, 200)} {invent.noun(r).capitalize()} Street"),
    ("destination", invent.city),
    ("label", invent.word),
    ("note", invent.phrase),
]
_NUMBERS = words_of(
    "amount count price limit size age year level duration quantity weight width height score port volume "
    "priority_level distance budget page"
)
_SWITCHES = words_of(
    "urgent public active notify recursive force archived verbose enabled dry_run private express overwrite shared"
)
_ENUMS = [
    ("priority", words_of("low medium high")),
    ("unit", words_of("celsius fahrenheit")),
    ("status", words_of("open closed pending")),
    ("size", words_of("small medium large")),
    ("mode", words_of("fast slow auto")),
    ("format", words_of("pdf csv json xml")),
    ("role", words_of("admin editor viewer")),
    ("order", words_of("ascending descending")),
    ("currency", words_of("USD EUR GBP JPY")),
    ("day", lexicon.DAYS),
    ("level", words_of("debug info warning error")),
]


def _text(r: Random) -> Drawn:
    name, make = r.choice(_TEXTS)
    if r.random() < 0.3:
        name = invent.ident(r)
        make = r.choice([invent.word, invent.code, invent.city, invent.full_name, invent.phrase, invent.pseudo])
    return Drawn(name, {"type": "string"}, make(r), make)


def _integer(r: Random) -> Drawn:
    name = r.choice(_NUMBERS) if r.random() < 0.8 else invent.ident(r)
    value = invent.number(r)
    return Drawn(name, {"type": "integer"}, -value if r.random() < 0.05 else value)


def _number(r: Random) -> Drawn:
    name = r.choice(_NUMBERS) if r.random() < 0.8 else invent.ident(r)
    return Drawn(name, {"type": "number"}, invent.decimal(r))


def _boolean(r: Random) -> Drawn:
    name = r.choice(_SWITCHES) if r.random() < 0.85 else invent.ident(r)
    return Drawn(name, {"type": "boolean"}, r.random() < 0.6)


def _enum(r: Random) -> Drawn:
    name, options = r.choice(_ENUMS)
    if r.random() < 0.3:
        name, options = invent.ident(r), invent.distinct(r, invent.word, r.randint(2, 5))
    return Drawn(name, {"type": "string", "enum": list(options)}, r.choice(options))


def _array(r: Random) -> Drawn:
    listed = ["items", "tags", "names", "ids", "labels", "members", "cities", "numbers"]
    name = r.choice([*listed, invent.ident(r)])
    if name == "numbers" or r.random() < 0.25:
        numbers = [r.randint(0, 100) for _ in range(r.randint(2, 4))]
        return Drawn(name, {"type": "array", "items": {"type": "integer"}}, numbers)
    make = {"cities": invent.city, "names": invent.first_name, "members": invent.first_name}.get(name, invent.word)
    texts = invent.distinct(r, make, r.randint(2, 4))
    return Drawn(name, {"type": "array", "items": {"type": "string"}}, texts)


_KINDS: list[tuple[float, Callable[[Random], Drawn]]] = [
    (0.46, _text),
    (0.62, _integer),
    (0.72, _number),
    (0.82, _boolean),
    (0.92, _enum),
    (1.0, _array),
]


def _draw(r: Random) -> Drawn:
    k = r.random()
    drawn = next(make for bound, make in _KINDS if k < bound)(r)
    if r.random() < 0.12:
        head, *tail = drawn.name.split("_")
        drawn = drawn._replace(name=head + "".join(part.capitalize() for part in tail) if tail else drawn.name)
    return drawn


def _describe(r: Random, drawn: Drawn) -> None:
    words = spaced(drawn.name)
    drawn.schema["description"] = r.choice(
        [
            f"The {words}",
            f"{words.capitalize()} to use",
            f"The {words} of the request",
            f"Value for {words}",
        ]
    )
    if drawn.make and r.random() < 0.2:
        drawn.schema["description"] += r.choice([", e.g. ", ", for example ", " such as "]) + drawn.make(r)


def random_parameter(r: Random, taken: list[str]) -> Drawn:
    """A parameter whose name is none of `taken`."""
    drawn = _draw(r)
    while drawn.name in taken:
        drawn = _draw(r)
    if r.random() < 0.5:
        _describe(r, drawn)
    return drawn
