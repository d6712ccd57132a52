"""Random names, words, codes, dates and paths. `r` is the random generator, here and in every skill."""

import json
import string
from collections.abc import Callable
from random import Random
from typing import TypeVar

from training import lexicon
from training.lexicon import CITIES, FIRST, LAST, MONTHS, WORDS
from vivace.assets import embedded_model_path

Item = TypeVar("Item")


def _letter_tokens() -> list[str]:
    vocabulary = json.loads((embedded_model_path() / "tokenizer.json").read_text())["model"]["vocab"]
    return sorted(token for token in vocabulary if token.isascii() and token.isalpha() and len(token) > 1)


PIECES = _letter_tokens()  # every token of the vocabulary should be seen as something to copy


# ---------------------------------------------------------------- words
def variant(r: Random) -> str:
    """An inflected or joined word such as 'jumps', 'unlocked' or 'rooftable'."""
    w = r.choice(WORDS)
    return r.choice(
        [
            w + "s",
            w + "ed",
            w + "ing",
            w + "er",
            "un" + w,
            "re" + w,
            w + r.choice(WORDS),
            w + "ly",
            w.rstrip("e") + "y",
            w[:-1] or w,
        ]
    )


def pseudo(r: Random, syllables: int | None = None) -> str:
    """A made-up word such as 'brelona'."""
    k = r.random()
    if PIECES and k < 0.35 and not syllables:
        return "".join(r.choice(PIECES) for _ in range(r.choice((1, 1, 2, 2, 3)))).lower()[:16]
    if k < 0.45 and not syllables:
        return variant(r)
    n = syllables or r.choice((2, 2, 2, 3, 3))
    return "".join(r.choice(lexicon.ONSETS) + r.choice(lexicon.VOWELS) + r.choice(lexicon.CODAS) for _ in range(n))


def word(r: Random) -> str:
    return r.choice(WORDS) if r.random() < 0.65 else pseudo(r)


def words(r: Random, n: int) -> list[str]:
    return [word(r) for _ in range(n)]


def phrase(r: Random, n: int | None = None) -> str:
    """A short natural-looking text, e.g. for messages and titles; of `n` words if it is a row of words."""
    k = r.randrange(7)
    if k == 3:
        return " ".join(words(r, n or r.randint(2, 5)))
    return _PHRASES[k](r)


def _pick(words: list[str]) -> Callable[[Random], str]:
    return lambda r: r.choice(words)


adjective, noun, verb = _pick(lexicon.ADJECTIVES), _pick(lexicon.NOUNS), _pick(lexicon.VERBS)
thing, color, animal, job = _pick(lexicon.OBJECTS), _pick(lexicon.COLORS), _pick(lexicon.ANIMALS), _pick(lexicon.JOBS)
country, day = _pick(lexicon.COUNTRIES), _pick(lexicon.DAYS)

_PHRASES: list[Callable[[Random], str]] = [
    lambda r: f"the {adjective(r)} {noun(r)}",
    lambda r: f"{verb(r)} the {thing(r)}",
    lambda r: f"Meeting at {clock(r)} in {city(r)}",
    lambda r: "",  # a row of words, which knows its length: see phrase
    lambda r: f"{verb(r)} {r.choice(['my', 'your', 'our'])} {adjective(r)} {noun(r)}",
    lambda r: f"{first_name(r)} will {verb(r)} the {noun(r)} on {day(r)}",
    lambda r: f"{adjective(r)} {noun(r)}",
]


def distinct(r: Random, make: Callable[[Random], Item], n: int) -> list[Item]:
    """`n` different results of `make`."""
    out: list[Item] = []
    while len(out) < n:
        x = make(r)
        if x not in out:
            out.append(x)
    return out


# ---------------------------------------------------------------- people, places, firms
def first_name(r: Random) -> str:
    return r.choice(FIRST) if r.random() < 0.75 else pseudo(r).capitalize()


def last_name(r: Random) -> str:
    return r.choice(LAST) if r.random() < 0.7 else pseudo(r).capitalize()


def full_name(r: Random) -> str:
    return first_name(r) + " " + last_name(r)


def city(r: Random) -> str:
    return r.choice(CITIES) if r.random() < 0.7 else pseudo(r).capitalize()


def company(r: Random) -> str:
    base = pseudo(r).capitalize() if r.random() < 0.6 else f"{noun(r).capitalize()} {thing(r).capitalize()}"
    return base + r.choice(["", " Ltd", " Inc", " Labs", " Group", " Systems", " Works"])


# ---------------------------------------------------------------- values
_DOMAINS = ["com", "org", "net", "io"]


def code(r: Random) -> str:
    """An identifier such as 'QX-4821' or 'a7f3c2'."""
    k = r.randrange(5)
    up = "".join(r.choice(string.ascii_uppercase) for _ in range(r.randint(1, 3)))
    digits = "".join(r.choice(string.digits) for _ in range(r.randint(2, 6)))
    if k == 0:
        return up + "-" + digits
    if k == 1:
        return up + digits
    if k == 2:
        return "".join(r.choice("0123456789abcdef") for _ in range(r.randint(5, 8)))
    if k == 3:
        return digits
    return pseudo(r, 2) + "-" + digits


def secret(r: Random) -> str:
    return r.choice(_SECRETS)(r)


_SECRETS: list[Callable[[Random], str]] = [
    code,
    code,
    lambda r: f"{color(r)}-{animal(r)}",
    lambda r: pseudo(r, 3),
]


def date(r: Random) -> str:
    y, m, d = r.randint(1990, 2035), r.randint(1, 12), r.randint(1, 28)
    return r.choice([f"{y}-{m:02d}-{d:02d}"] * 3 + [f"{MONTHS[m - 1]} {d}, {y}", f"{d} {MONTHS[m - 1]} {y}"])


def iso_date(r: Random) -> str:
    return f"{r.randint(1990, 2035)}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}"


def clock(r: Random) -> str:
    return f"{r.randint(0, 23):02d}:{r.choice([0, 5, 10, 15, 20, 30, 40, 45, 50]):02d}"


def email(r: Random) -> str:
    host = r.choice(["example", "mail", "post", "test", pseudo(r)])
    user = first_name(r).lower() + r.choice(["", "." + last_name(r).lower(), str(r.randint(1, 99))])
    return f"{user}@{host}.{r.choice(_DOMAINS)}"


def phone(r: Random) -> str:
    return f"{r.randint(200, 999)}-{r.randint(200, 999)}-{r.randint(0, 9999):04d}"


def url(r: Random) -> str:
    host = f"{r.choice(['www.', ''])}{pseudo(r)}.{r.choice(_DOMAINS)}"
    return f"https://{host}/{r.choice([word(r), pseudo(r), ''])}".rstrip("/")


def number(r: Random) -> int:
    k = r.random()
    if k < 0.4:
        return r.randint(0, 20)
    if k < 0.75:
        return r.randint(10, 500)
    return r.randint(100, 99999)


def decimal(r: Random) -> float:
    """Two digits behind the point at most; an int now and then, as people write prices."""
    return round(r.uniform(0, 500), r.choice([1, 2, 2])) if r.random() < 0.7 else r.randint(1, 200)


# ---------------------------------------------------------------- files and identifiers
def filename(r: Random) -> str:
    ext = r.choice(["py", "txt", "md", "json", "csv", "js", "html", "yaml", "log", "toml", "rs", "go"])
    stem = r.choice(
        [
            "main",
            "app",
            "utils",
            "config",
            "notes",
            "readme",
            "test",
            "index",
            "data",
            "server",
            "setup",
            word(r),
            word(r),
            word(r) + "_" + word(r),
            pseudo(r),
        ]
    )
    return stem + "." + ext


def path(r: Random) -> str:
    dirs = [
        r.choice(
            [
                "src",
                "lib",
                "docs",
                "tests",
                "data",
                "home",
                "tmp",
                "app",
                "config",
                "etc",
                "usr",
                "var",
                "bin",
                "opt",
                word(r),
                pseudo(r),
            ]
        )
        for _ in range(r.randint(0, 3))
    ]
    if r.random() < 0.15:
        return r.choice(["/", "", "/home/"]) + "/".join(
            [
                *dirs,
                r.choice(
                    [
                        "hosts",
                        "passwd",
                        "Makefile",
                        "README",
                        "README.md",
                        "Dockerfile",
                        "LICENSE",
                        "package.json",
                        pseudo(r),
                    ]
                ),
            ]
        )
    return r.choice(["", "", "/", "./"]) + "/".join([*dirs, filename(r)])


def folder(r: Random) -> str:
    dirs = [
        r.choice(["src", "lib", "docs", "tests", "data", "home", "tmp", "app", "config", word(r), pseudo(r)])
        for _ in range(r.randint(1, 2))
    ]
    return r.choice(["", "/", "./"]) + "/".join(dirs)


def ident(r: Random) -> str:
    """A snake_case identifier."""
    return r.choice(_IDENTIFIERS)(r)


_IDENTIFIERS: list[Callable[[Random], str]] = [
    word,
    lambda r: f"{word(r)}_{word(r)}",
    pseudo,
    lambda r: f"{pseudo(r)}_{word(r)}",
]
