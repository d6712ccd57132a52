"""From a text to JSON."""

from random import Random
from typing import Any

from training import invent
from training.sample import Sample, bot, dumps, system, user
from training.skills.records import Field, json_schema, record
from training.wording import join

_ABSENT = ("country", "zip", "website", "nickname", "weight", "comment")


def _wanted(r: Random, fields: list[Field]) -> list[Field]:
    """Some of the fields, sometimes in another order, sometimes with one that the text does not give."""
    keep = r.sample(fields, r.randint(min(2, len(fields)), len(fields)))
    if r.random() < 0.6:
        keep.sort(key=fields.index)
    if r.random() < 0.15:
        extra = r.choice([k for k in _ABSENT if k not in [f[0] for f in fields]])
        keep.insert(r.randint(0, len(keep)), (extra, "string", None))
    return keep


def _requests(keep: list[Field], kind: str) -> list[str]:
    keys, typed = join([k for k, _, _ in keep]), ", ".join(f'"{k}" ({t})' for k, t, _ in keep)
    return [
        f"Extract {keys} as JSON.",
        f"Return a JSON object with the keys {typed}.",
        f"Give me {keys} from this text in JSON format.",
        f"Turn this {kind} into JSON with the keys {keys}.",
        f"Extract the data as JSON that matches this schema:\n{dumps(json_schema(keep))}\n",
        f"Answer with JSON for this schema: {dumps(json_schema(keep))}",
        f"Reply only with JSON. Keys: {keys}.",
    ]


def _system_requests(keep: list[Field]) -> list[str]:
    keys, typed = join([k for k, _, _ in keep]), ", ".join(f'"{k}" ({t})' for k, t, _ in keep)
    return [
        f"Reply only with a JSON object that matches this JSON schema:\n{dumps(json_schema(keep))}",
        f"You extract data. Always answer with JSON. Keys: {typed}.",
        f"Respond with JSON that follows this schema: {dumps(json_schema(keep))}",
        f"Extract {keys} from the user's text as a JSON object.",
    ]


def extraction(r: Random) -> Sample:
    """One object; how it shall look is said in the question or in the system prompt."""
    text, fields, kind = record(r)
    keep = _wanted(r, fields)
    value = {k: v for k, _, v in keep}
    nulls = " Use null if a value is missing."
    if None not in value.values():
        nulls = r.choice(["", nulls])
    how = r.choice(_requests(keep, kind)) + nulls
    how_system = r.choice(_system_requests(keep)) + nulls
    indent = 2 if r.random() < 0.06 else None
    if indent:
        how += " Indent the JSON by 2 spaces."
        how_system += " Indent the JSON by 2 spaces."
    if r.random() < 0.35:
        messages = [system(how_system), user(text)]
    else:
        messages = [user(r.choice([f"{how}\n\n{text}", f"{text}\n\n{how}", f"{how}\nText: {text}", f"{how} {text}"]))]
    why = "I need these keys: " + ", ".join(f"{k} is {dumps(v)}" for k, _, v in keep) + "."
    return Sample("json", [*messages, bot(dumps(value, indent), why)], check=("json", value), plain=False)


def _people(r: Random, n: int) -> tuple[str, Any, str]:
    rows = [(invent.first_name(r), r.randint(4, 90)) for _ in range(n)]
    text = r.choice(
        [
            join([f"{a} is {b} years old" for a, b in rows]) + ".",
            join([f"{a} ({b})" for a, b in rows]),
            "\n".join(f"{a}: {b}" for a, b in rows),
        ]
    )
    how = r.choice(
        [
            "Extract all people with name and age as a JSON array.",
            "Return a JSON array of objects with the keys name and age.",
            'List every person as JSON: [{"name": ..., "age": ...}].',
        ]
    )
    return text, [{"name": a, "age": b} for a, b in rows], how


def _things(r: Random, n: int) -> tuple[str, Any, str]:
    items = invent.distinct(r, invent.word, n)
    text = r.choice(
        [
            f"I need to buy {join(items)}.",
            f"On the table there are {join(items)}.",
            f"The words are {join(items)}.",
        ]
    )
    if r.random() < 0.5:
        return text, {"items": items}, 'Return a JSON object with the key "items" that holds the list of things.'
    return text, items, "Return the things as a JSON array of strings."


def extraction_list(r: Random) -> Sample:
    """Several objects, or a flat list."""
    n = r.randint(2, 5)
    text, value, how = (_people if r.random() < 0.5 else _things)(r, n)
    ask = r.choice([f"{how}\n\n{text}", f"{text}\n\n{how}"])
    answer = bot(dumps(value), f"The entries are {dumps(value)}.")
    return Sample("json", [user(ask), answer], check=("json", value), plain=False)
