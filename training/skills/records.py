"""Short texts that state the fields of a record: a person, an order, a flight, or anything."""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from training import invent

Field = tuple[str, str, Any]  # key, JSON type, value


class Record(NamedTuple):
    text: str
    fields: list[Field]
    kind: str


class Names(NamedTuple):
    person: str
    city: str
    company: str


def _person(r: Random, names: Names) -> Record:
    age, job = r.randint(4, 95), invent.job(r)
    n = r.choice([names.person, invent.first_name(r)])
    country = invent.country(r)
    small = r.randrange(6)
    if small == 0:
        return _age(r, n, age)
    if small == 1:
        return _place(r, n, names.city, country)
    if small == 2:
        return _home(r, n, names.city)
    text = r.choice(
        [
            f"{n} is {age} years old, lives in {names.city} and works as a {job}.",
            f"My name is {n}. I am {age} years old and I work as a {job} in {names.city}.",
            f"{n}, a {age} year old {job} from {names.city}, called today.",
        ]
    )
    fields: list[Field] = [
        ("name", "string", n),
        ("age", "integer", age),
        ("city", "string", names.city),
        ("job", "string", job),
    ]
    return Record(text, fields, "person")


def _age(r: Random, n: str, age: int) -> Record:
    text = r.choice(
        [
            f"{n} is {age} years old.",
            f"{n} is {age}.",
            f"I am {n} and I am {age} years old.",
            f"{n}, age {age}",
            f"My name is {n} and my age is {age}.",
        ]
    )
    return Record(text, [("name", "string", n), ("age", "integer", age)], "person")


def _place(r: Random, n: str, city: str, country: str) -> Record:
    text = r.choice(
        [
            f"I live in {city}, {country}.",
            f"{n} lives in {city}, {country}.",
            f"She is from {city} in {country}.",
            f"The office is in {city} ({country}).",
        ]
    ).replace(n, "He")
    return Record(text, [("city", "string", city), ("country", "string", country)], "place")


def _home(r: Random, n: str, city: str) -> Record:
    text = r.choice(
        [
            f"{n} lives in {city}.",
            f"{n} comes from {city}.",
            f"My name is {n}. I live in {city}.",
            f"{n} moved to {city} last year.",
        ]
    )
    return Record(text, [("name", "string", n), ("city", "string", city)], "person")


def _product(r: Random, names: Names) -> Record:
    o, p, q = f"{invent.color(r)} {invent.thing(r)}", invent.decimal(r), r.randint(0, 200)
    text = r.choice(
        [
            f"We sell a {o} for {p} dollars and have {q} in stock.",
            f"Product: {o}. Price: {p}. Stock: {q}.",
            f"The {o} costs {p} dollars. There are {q} left.",
        ]
    )
    return Record(text, [("product", "string", o), ("price", "number", p), ("stock", "integer", q)], "product")


def _event(r: Random, names: Names) -> Record:
    title, date, time, c = invent.phrase(r, 2), invent.iso_date(r), invent.clock(r), names.city
    text = r.choice(
        [
            f'The event "{title}" takes place in {c} on {date} at {time}.',
            f'Join us for "{title}" on {date} at {time} in {c}.',
        ]
    )
    fields = [("title", "string", title), ("date", "string", date), ("time", "string", time), ("city", "string", c)]
    return Record(text, [*fields], "event")


def _contact(r: Random, names: Names) -> Record:
    n, email, phone = names.person, invent.email(r), invent.phone(r)
    text = r.choice(
        [
            f"You can reach {n} at {email} or by phone at {phone}.",
            f"Contact: {n}, {email}, {phone}.",
            f"{n} from {names.company} has the email {email} and the phone number {phone}.",
        ]
    )
    fields: list[Field] = [("name", "string", n), ("email", "string", email), ("phone", "string", phone)]
    if names.company in text:
        fields.append(("company", "string", names.company))
    return Record(text, fields, "contact")


def _order(r: Random, names: Names) -> Record:
    n, code, item, q, total = names.person, invent.code(r), invent.thing(r), r.randint(1, 99), invent.decimal(r)
    text = r.choice(
        [
            f"Order {code}: {n} bought {q} {item}s for {total} dollars.",
            f"{n} placed order {code} for {q} {item}s. The total is {total} dollars.",
        ]
    )
    fields: list[Field] = [
        ("order_id", "string", code),
        ("customer", "string", n),
        ("item", "string", item),
        ("quantity", "integer", q),
        ("total", "number", total),
    ]
    return Record(text, fields, "order")


def _book(r: Random, names: Names) -> Record:
    n = names.person
    title = " ".join(w.capitalize() for w in invent.words(r, r.randint(1, 3)))
    year, pages = r.randint(1900, 2030), r.randint(40, 900)
    text = r.choice(
        [
            f'"{title}" is a book by {n}, published in {year}. It has {pages} pages.',
            f'{n} wrote "{title}" ({year}), a book of {pages} pages.',
        ]
    )
    fields: list[Field] = [
        ("title", "string", title),
        ("author", "string", n),
        ("year", "integer", year),
        ("pages", "integer", pages),
    ]
    return Record(text, fields, "book")


def _flight(r: Random, names: Names) -> Record:
    start, end, flight, time = names.city, invent.city(r), invent.code(r).upper(), invent.clock(r)
    text = r.choice(
        [
            f"Flight {flight} leaves {start} at {time} and goes to {end}.",
            f"Flight {flight} from {start} to {end} departs at {time}.",
        ]
    )
    fields = [("flight", "string", flight), ("from", "string", start), ("to", "string", end)]
    return Record(text, [*fields, ("departure", "string", time)], "flight")


def _pet(r: Random, names: Names) -> Record:
    name, animal, color, age = invent.first_name(r), invent.animal(r), invent.color(r), r.randint(1, 20)
    text = r.choice(
        [
            f"{name} is a {color} {animal} that is {age} years old.",
            f"I have a {color} {animal} called {name}, {age} years old.",
        ]
    )
    fields: list[Field] = [
        ("name", "string", name),
        ("species", "string", animal),
        ("color", "string", color),
        ("age", "integer", age),
    ]
    return Record(text, fields, "pet")


def _weather(r: Random, names: Names) -> Record:
    degrees = r.randint(-20, 42)
    sky = r.choice(["sunny", "cloudy", "rainy", "windy", "snowy", "foggy"])
    humidity, c = r.randint(10, 100), names.city
    text = r.choice(
        [
            f"In {c} it is {sky} with {degrees} degrees and {humidity} percent humidity.",
            f"Weather for {c}: {sky}, {degrees} degrees, humidity {humidity} percent.",
        ]
    )
    fields: list[Field] = [
        ("city", "string", c),
        ("condition", "string", sky),
        ("temperature", "integer", degrees),
        ("humidity", "integer", humidity),
    ]
    return Record(text, fields, "weather")


def _job_offer(r: Random, names: Names) -> Record:
    job, salary, remote = invent.job(r), r.randint(20, 200) * 1000, r.random() < 0.5
    text = (
        f"{names.company} is looking for a {job} in {names.city}. The salary is {salary} dollars. "
        f"Remote work is {'' if remote else 'not '}possible."
    )
    fields: list[Field] = [
        ("company", "string", names.company),
        ("job", "string", job),
        ("city", "string", names.city),
        ("salary", "integer", salary),
        ("remote", "boolean", remote),
    ]
    return Record(text, fields, "job offer")


def _any_text(r: Random) -> str:
    return r.choice([invent.word(r), invent.code(r), invent.city(r), invent.phrase(r, 2)])


def _any_key(r: Random) -> str:
    return r.choice([invent.word(r), invent.ident(r), "name", "id", "status", "type", "owner", "level"])


_VALUES: dict[str, Callable[[Random], Any]] = {
    "string": _any_text,
    "integer": invent.number,
    "boolean": lambda r: r.random() < 0.5,
    "number": invent.decimal,
}


def _spoken(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _anything(r: Random, names: Names) -> Record:
    fields: list[Field] = []
    for key in invent.distinct(r, _any_key, r.randint(2, 5)):
        kind = r.choice(["string", "string", "integer", "boolean", "number"])
        fields.append((key, kind, _VALUES[kind](r)))
    text = r.choice(
        [
            ", ".join(f"{k} is {_spoken(v)}" for k, _, v in fields),
            "\n".join(f"{k}: {_spoken(v)}" for k, _, v in fields),
            "; ".join(f"{k} = {_spoken(v)}" for k, _, v in fields),
        ]
    )
    if r.random() < 0.3 and text[0] not in "\"'" and ":" not in text and "=" not in text:
        text = text[0].upper() + text[1:]
    return Record(text, fields, "record")


_KINDS: list[Callable[[Random, Names], Record]] = [
    _person,
    _product,
    _event,
    _contact,
    _order,
    _book,
    _flight,
    _pet,
    _weather,
    _job_offer,
    _anything,
]


def record(r: Random) -> Record:
    """A text and the fields that it gives."""
    make = r.choice(_KINDS)
    return make(r, Names(invent.full_name(r), invent.city(r), invent.company(r)))


def json_schema(fields: list[Field]) -> dict[str, Any]:
    return {"type": "object", "properties": {k: {"type": t} for k, t, _ in fields}, "required": [f[0] for f in fields]}
