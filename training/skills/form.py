"""Filling a form from given values."""

from collections.abc import Callable
from random import Random

from training import invent
from training.sample import Sample, bot, user

_FIELDS: dict[str, Callable[[Random], str]] = {
    "Name": invent.full_name,
    "City": invent.city,
    "Date": invent.iso_date,
    "Email": invent.email,
    "Phone": invent.phone,
    "Item": invent.thing,
    "Amount": lambda r: str(invent.number(r)),
    "Color": invent.color,
    "Company": invent.company,
    "Code": invent.code,
}


def form(r: Random) -> Sample:
    """Two to five fields; the values come in another order than the form wants them."""
    keys = r.sample(list(_FIELDS), r.randint(2, 5))
    values = {key: _FIELDS[key](r) for key in keys}
    given = list(values.items())
    r.shuffle(given)
    data = r.choice(
        [
            ", ".join(f"{k.lower()} {v}" for k, v in given),
            "; ".join(f"{k.lower()} is {v}" for k, v in given),
            "\n".join(f"{k}: {v}" for k, v in given),
        ]
    )
    blank = "\n".join(f"{key}: ___" for key in keys)
    filled = "\n".join(f"{key}: {values[key]}" for key in keys)
    ask = r.choice(
        [f"Fill in this form.\n\n{blank}\n\nData: {data}", f"Use this data: {data}\n\nFill the form:\n{blank}"]
    )
    answer = bot(filled, "I copy each value into its line.")
    return Sample("transform", [user(ask), answer], check=("exact", filled), plain=False)
