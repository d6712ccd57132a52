"""Tools that nobody has: a verb, a thing and random parameters. So schemas must be read, not remembered."""

from random import Random
from typing import Any

from training import invent
from training.lexicon import words_of
from training.sample import dumps
from training.tools.case import Case, Parameter, make_schema, show, spaced
from training.tools.parameters import random_parameter
from training.wording import join

VERBS = words_of(
    "create delete update get find send add remove start stop list open close set reset check book cancel "
    "move copy share "
    "print save load export import archive publish approve reject assign schedule track rate order buy "
    "sell rent repair "
    "clean lock unlock merge split rename convert play pause upload download validate register enable "
    "disable calculate "
    "fetch query"
)
THINGS = words_of(
    "user account invoice ticket order project task event file folder message email contact note reminder "
    "alarm playlist "
    "song photo video album report document page comment post product item price customer booking "
    "reservation flight room "
    "table car bike device lamp door window server database backup job queue worker channel group team member payment "
    "refund coupon subscription package shipment warehouse sensor camera timer calendar recipe meal "
    "course lesson student "
    "teacher book review rating poll survey vote game score level badge map route stop station train bus "
    "policy rule filter "
    "label tag theme profile session token key certificate domain printer meeting contract budget loan "
    "card wallet coin "
    "asset branch release issue"
)
Pairs = set[tuple[str, str]]  # verbs and things that the request's tools have already


def _new_pair(r: Random, pairs: Pairs) -> tuple[str, str]:
    while True:
        verb, thing = r.choice(VERBS), r.choice(THINGS)
        if pairs and r.random() < 0.35:  # a near miss: same verb or same thing as another tool
            other_verb, other_thing = r.choice(sorted(pairs))
            verb, thing = (other_verb, thing) if r.random() < 0.5 else (verb, other_thing)
        if r.random() < 0.1:
            thing = invent.pseudo(r)
        if (verb, thing) not in pairs:
            pairs.add((verb, thing))
            return verb, thing


def _name(r: Random, verb: str, thing: str) -> str:
    style = r.random()
    if style < 0.75:
        return f"{verb}_{thing}"
    if style < 0.9:
        return verb + thing.capitalize()
    return f"{thing}_{verb}" if style < 0.96 else f"{thing}.{verb}"


def _parameters(r: Random) -> tuple[list[Parameter], dict[str, Any]]:
    """Up to five parameters, and values for most of them."""
    parameters: list[Parameter] = []
    values: dict[str, Any] = {}
    for _ in range(r.choice([0, 1, 1, 2, 2, 3, 3, 4, 5])):
        drawn = random_parameter(r, [name for name, _, _ in parameters])
        given = r.random() < 0.82
        parameters.append((drawn.name, drawn.schema, given and r.random() < 0.75))
        if given:
            values[drawn.name] = drawn.value
    return parameters, values


def _said(r: Random, layout: int, name: str, value: Any) -> str:
    words = spaced(name)
    text = f'"{value}"' if isinstance(value, str) and r.random() < 0.25 else show(value)
    if isinstance(value, bool) and layout != 2 and r.random() < 0.3:
        text = "yes" if value else "no"
    layouts = [
        f"{words} {text}",
        f"{words} = {text}",
        f"{words}: {text}",
        f"{words} set to {text}",
        f"the {words} {text}",
    ]
    return layouts[layout]


def _arguments_in_words(r: Random, values: dict[str, Any]) -> str:
    items = list(values.items())
    if r.random() < 0.5:
        r.shuffle(items)
    layout = r.randrange(5)
    said = [_said(r, layout, name, value) for name, value in items]
    if not said:
        return ""
    if r.random() < 0.6:
        return " with " + (join(said) if layout != 2 else ", ".join(said))
    return ": " + ", ".join(said)


def random_case(r: Random, pairs: Pairs) -> Case:
    """A request for a tool that none of `pairs` names."""
    verb, thing = _new_pair(r, pairs)
    name = _name(r, verb, thing)
    parameters, values = _parameters(r)
    goal = f"{verb} {'an' if thing[0] in 'aeiou' else 'a'} {thing}"
    description = r.choice(
        [
            f"{goal.capitalize()}.",
            goal.capitalize(),
            f"Use this to {goal}.",
            f"{verb.capitalize()}s the {thing} in the system.",
        ]
    )
    schema = make_schema(r, name, description, parameters)
    tail = _arguments_in_words(r, values)
    ask = r.choice([goal, f"{verb} the {thing}", goal, f"use {name}" if r.random() < 0.5 else goal]) + tail
    result, answer = _result(r, verb, thing)
    arguments = {key: values[key] for key, _, _ in parameters if key in values}
    return Case(schema, {"name": name, "arguments": arguments}, ask, result, answer, goal, name)


def _result(r: Random, verb: str, thing: str) -> tuple[str, str]:
    """What the tool returns, and what the assistant makes of it."""
    k = r.randrange(4)
    if k == 0:
        done = ["ok", "done", "success", dumps({"status": "ok"}), dumps({"success": True})]
        return r.choice(done), f"Done. I used the tool to {verb} the {thing}."
    if k == 1:
        return _fields_result(r)
    if k == 2:
        code = invent.code(r)
        return dumps({"status": "ok", "id": code}), f"Done. The id of the {thing} is {code}."
    rows = invent.distinct(r, r.choice([invent.word, invent.full_name, invent.code]), r.randint(2, 4))
    result = dumps({"results": rows}) if r.random() < 0.5 else dumps(rows)
    return result, f"I found {len(rows)} results: {join(rows)}."


def _fields_result(r: Random) -> tuple[str, str]:
    fields: dict[str, Any] = {}
    for _ in range(r.randint(1, 3)):
        drawn = random_parameter(r, list(fields))
        fields[drawn.name] = drawn.value
    said = join([f"{spaced(name)} is {show(value)}" for name, value in fields.items()])
    return dumps(fields), f"Here is the result: {said}."
