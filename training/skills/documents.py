"""Documents with facts to be found in them: prose with filler, logs, tables, settings."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from training import invent, lexicon
from training.wording import an


class Finding(NamedTuple):
    """A fact in a document, and what may be asked about it."""

    sentence: str
    question: str
    short: str
    full: str
    subject: str


_FILLERS: list[Callable[[Random, str, str, str, str], str]] = [
    lambda r, adj, noun, thing, verb: f"The {adj} {noun} was near the {invent.adjective(r)} {invent.noun(r)}.",
    lambda r, adj, noun, thing, verb: f"{invent.first_name(r)} wanted to {verb} the {thing} before {invent.day(r)}.",
    lambda r, adj, noun, thing, verb: f"In {r.choice(lexicon.MONTHS)} the {noun} of {invent.city(r)} is very {adj}.",
    lambda r, adj, noun, thing, verb: f"Nobody could {verb} the {adj} {thing} that day.",
    lambda r, adj, noun, thing, verb: (
        f"{an(invent.animal(r)).capitalize()} and {an(invent.animal(r))} crossed the {noun}."
    ),
    lambda r, adj, noun, thing, verb: f"It is often {adj} in the {noun}, and people {verb} their {thing}s.",
    lambda r, adj, noun, thing, verb: (
        f"The team of {invent.company(r)} talked about the {noun} for {r.randint(2, 90)} minutes."
    ),
    lambda r, adj, noun, thing, verb: f"Some say that {an(adj)} {thing} is better than {an(invent.adjective(r))} one.",
    lambda r, adj, noun, thing, verb: f"Later, {invent.full_name(r)} went to the {noun} to {verb} {an(thing)}.",
    lambda r, adj, noun, thing, verb: f"There were {r.randint(2, 99)} {invent.color(r)} {thing}s in the {noun}.",
]


def filler(r: Random) -> str:
    """One unrelated sentence."""
    say = r.choice(_FILLERS)
    return say(r, invent.adjective(r), invent.noun(r), invent.thing(r), invent.verb(r))


# ---------------------------------------------------------------- facts in prose
def _secret(r: Random, s: str, what: str) -> Finding:
    v = invent.secret(r)
    return Finding(f"The {what} for {s} is {v}.", f"What is the {what} for {s}?", v, f"The {what} for {s} is {v}.", s)


def _work(r: Random, s: str, what: str) -> Finding:
    job, city = invent.job(r), invent.city(r)
    sentence = f"{s} works as {an(job)} in {city}."
    if r.random() < 0.5:
        return Finding(sentence, f"Where does {s} work?", city, f"{s} works in {city}.", s)
    return Finding(sentence, f"What is the job of {s}?", job, f"{s} works as {an(job)}.", s)


def _meeting(r: Random, s: str, what: str) -> Finding:
    date, time = invent.date(r), invent.clock(r)
    sentence = f"The meeting with {s} is on {date} at {time}."
    if r.random() < 0.5:
        return Finding(sentence, f"When is the meeting with {s}?", date, sentence, s)
    return Finding(sentence, f"At what time is the meeting with {s}?", time, f"The meeting with {s} is at {time}.", s)


def _price(r: Random, s: str, what: str) -> Finding:
    v = f"{r.randint(2, 999)} dollars"
    return Finding(f"The price of the {s} is {v}.", f"How much does the {s} cost?", v, f"The {s} costs {v}.", s)


def _keeper(r: Random, s: str, what: str) -> Finding:
    place, person = invent.noun(r), invent.first_name(r)
    sentence = f"{person} keeps the {s} in the {place}."
    if r.random() < 0.6:
        return Finding(sentence, f"Where is the {s}?", place, f"The {s} is in the {place}.", s)
    return Finding(sentence, f"Who keeps the {s}?", person, f"{person} keeps the {s}.", s)


def _port(r: Random, s: str, what: str) -> Finding:
    v = str(r.randint(1000, 65535))
    sentence = f"The service {s} listens on port {v}."
    return Finding(sentence, f"On which port does the service {s} listen?", v, sentence, s)


def _birth(r: Random, s: str, what: str) -> Finding:
    color, year = invent.color(r), str(r.randint(1940, 2015))
    sentence = f"{s} was born in {year} and likes the color {color}."
    if r.random() < 0.5:
        return Finding(sentence, f"In which year was {s} born?", year, f"{s} was born in {year}.", s)
    return Finding(sentence, f"Which color does {s} like?", color, f"{s} likes the color {color}.", s)


def _colored(r: Random) -> str:
    return f"{invent.adjective(r)} {invent.thing(r)}"


_SECRETS = [
    "access code",
    "secret code",
    "badge number",
    "serial number",
    "locker code",
    "ticket number",
    "password",
    "PIN",
    "key",
]
_KINDS: list[tuple[Callable[[Random], str], Callable[[Random, str, str], Finding]]] = [
    (invent.first_name, _secret),
    (invent.full_name, _secret),
    (lambda r: f"the {invent.noun(r)}", _secret),
    (invent.company, _secret),
    (lambda r: f"project {invent.pseudo(r).capitalize()}", _secret),
    (invent.full_name, _work),
    (invent.full_name, _meeting),
    (_colored, _price),
    (_colored, _keeper),
    (invent.ident, _port),
    (lambda r: f"room {r.randint(1, 999)}", _secret),
    (invent.full_name, _birth),
]


def findings(r: Random, n: int) -> list[Finding]:
    """`n` facts of one kind about different subjects."""
    make_subject, state = r.choice(_KINDS)
    what = r.choice(_SECRETS)
    return [state(r, subject, what) for subject in invent.distinct(r, make_subject, n)]


# ---------------------------------------------------------------- structured text
Lines = tuple[list[str], list[Finding]]


def _settings(r: Random, n: int) -> Lines:
    names = invent.distinct(r, invent.ident, n)
    layout = r.choice(["{} = {}", "{}: {}", "{}={}"])
    lines, found = [], []
    for s in names:
        v = r.choice([str(invent.number(r)), invent.secret(r), r.choice(["true", "false"]), invent.noun(r)])
        lines.append(layout.format(s, v))
        ask = r.choice([f"What is the value of {s}?", f"What is {s} set to?"])
        found.append(Finding(lines[-1], ask, v, f"The value of {s} is {v}.", s))
    return lines, found


_ACTIONS = ["login", "logout", "upload", "delete", "update", "error", "start", "stop"]


def _log(r: Random, n: int) -> Lines:
    lines, found = [], []
    for s in invent.distinct(r, invent.code, n):
        name, action, time = invent.first_name(r).lower(), r.choice(_ACTIONS), invent.clock(r)
        level = r.choice(["INFO", "WARN", "ERROR", "DEBUG"])
        entry = f"user={name} action={action} id={s}" if r.random() < 0.4 else f"id={s} user={name} action={action}"
        lines.append(f"{invent.iso_date(r)} {time} {level} {entry}")
        ask = r.choice(
            [
                (f"Which user has the id {s}?", name, f"The user with the id {s} is {name}.", s),
                (f"What is the action with the id {s}?", action, f"The action with the id {s} is {action}.", s),
            ]
        )
        found.append(Finding(lines[-1], *ask))
    return lines, found


def _item(r: Random) -> str:
    return r.choice([invent.thing(r), invent.pseudo(r), f"{invent.color(r)} {invent.thing(r)}"])


def _table(r: Random, n: int) -> Lines:
    items = invent.distinct(r, _item, n)
    separator = r.choice([" | ", ",", ", ", "\t"])
    lines, found = [separator.join(["item", "price", "stock"])], []
    for s in items:
        price, stock = str(r.randint(1, 999)), str(r.randint(0, 500))
        lines.append(separator.join([s, price, stock]))
        ask = r.choice(
            [
                (f"What is the price of the {s}?", price, f"The price of the {s} is {price}.", s),
                (f"How many of the {s} are in stock?", stock, f"There are {stock} of the {s} in stock.", s),
            ]
        )
        found.append(Finding(lines[-1], *ask))
    return lines, found


def _contacts(r: Random, n: int) -> Lines:
    lines, found = [], []
    for s in invent.distinct(r, invent.full_name, n):
        email, phone = invent.email(r), invent.phone(r)
        lines.append(f"- {s}, email {email}, phone {phone}")
        ask = r.choice(
            [
                (f"What is the email of {s}?", email, f"The email of {s} is {email}.", s),
                (f"What is the phone number of {s}?", phone, f"The phone number of {s} is {phone}.", s),
            ]
        )
        found.append(Finding(lines[-1], *ask))
    return lines, found


_STRUCTURED: list[Callable[[Random, int], Lines]] = [_settings, _log, _table, _contacts]


def document(r: Random, tokens: int) -> tuple[str, list[Finding]]:
    """A text of about `tokens` tokens, and the facts in it."""
    if r.random() < 0.4:
        n = max(2, min(int(tokens / 22), 150))
        lines, found = r.choice(_STRUCTURED)(r, n)
        return "\n".join(lines), found
    sentences = max(2, int(tokens / 17))
    n = min(max(1, int(sentences * r.uniform(0.05, 0.6))), 40)
    found = findings(r, n) if r.random() < 0.6 else [f for _ in range(3) for f in findings(r, -(-n // 3))]
    body = [f.sentence for f in found] + [filler(r) for _ in range(max(0, sentences - len(found)))]
    r.shuffle(body)
    step = r.randint(3, 9)
    return "\n\n".join(" ".join(body[i : i + step]) for i in range(0, len(body), step)), found
