"""A request for one of the typical tools, whose names and parameters vary."""

from collections.abc import Collection
from random import Random
from typing import Any

from training import invent
from training.sample import JSON
from training.tools.case import Case, make_schema, show
from training.tools.typical import TYPICAL
from training.tools.typical.tool import Arguments, Parameter, TypicalTool


def _decorate(r: Random, name: str) -> str:
    """Sometimes a prefix or suffix, as tool servers add them; so names must be read, not remembered."""
    if r.random() < 0.75:
        return name
    return r.choice(
        [
            f"mcp__{invent.word(r)}__{name}",
            f"{invent.pseudo(r)}_{name}",
            f"{name}_v{r.randint(2, 9)}",
            f"{invent.word(r)}_{name}",
            f"{invent.word(r)}.{name}",
            f"{name}_{invent.word(r)}",
        ]
    )


def fill_request(text: str, arguments: Arguments) -> str:
    """Fill {name}, {name:yes|no} and optional [..] parts."""
    out, i = "", 0
    while i < len(text):
        if text[i] == "[":
            end = text.index("]", i)
            part = text[i + 1 : end]
            if part[part.index("{") + 1 : part.index("}")] in arguments:
                out += fill_request(part, arguments)
            i = end + 1
        elif text[i] == "{":
            end = text.index("}", i)
            key, _, choice = text[i + 1 : end].partition(":")
            out += choice.split("|")[0 if arguments[key] else 1] if choice else show(arguments[key])
            i = end + 1
        else:
            out += text[i]
            i += 1
    return out


def _alias(r: Random, parameter: Parameter, taken: Collection[str], fixed: int | None) -> str:
    options = parameter.names.split("|")
    alias = options[r.randrange(len(options)) if fixed is None else fixed]
    return alias if alias not in taken else next(other for other in options if other not in taken)


def _described(r: Random, parameter: Parameter) -> JSON:
    schema = dict(parameter.schema)
    if r.random() < 0.75:
        schema["description"] = parameter.description
        if schema == {"type": "string", "description": parameter.description} and r.random() < 0.2:
            schema["description"] += r.choice([", e.g. ", ", for example ", " such as "]) + parameter.make(r)
    return schema


def _new_value(r: Random, parameter: Parameter, others: Collection[Any]) -> Any:
    """A value that no other text or fraction of the request has."""
    value = parameter.make(r)
    while any(value == other and not isinstance(value, bool | int) for other in others):
        value = parameter.make(r)
    return value


def typical_case(r: Random, exclude: Collection[str] = ()) -> Case:
    """A request for a tool of none of the families in `exclude`."""
    tool = r.choice([t for t in TYPICAL if t.family not in exclude])
    name = _decorate(r, r.choice(tool.names.split("|")))
    # Names of operands belong together, such as a and b.
    operands = tool.family == "calculator" and len(tool.parameters) == 2
    together = r.choice([0, 0, 0, 1, 2, 3, 4])
    aliases: dict[str, str] = {}
    arguments: Arguments = {}
    properties = []
    for parameter in tool.parameters:
        alias = _alias(r, parameter, aliases.values(), together if operands else None)
        aliases[parameter.name] = alias
        properties.append((alias, _described(r, parameter), parameter.required))
        if parameter.required or r.random() < 0.45:
            arguments[parameter.name] = _new_value(r, parameter, arguments.values())
    case = _answered(r, tool, arguments)
    case.schema = make_schema(r, name, tool.description, properties)
    case.call = {"name": name, "arguments": {aliases[key]: value for key, value in arguments.items()}}
    return case


def _answered(r: Random, tool: TypicalTool, arguments: Arguments) -> Case:
    """The case without schema and call, which depend on the aliases."""
    ask = fill_request(r.choice(tool.requests), arguments)
    result, answer = tool.result(r, arguments)
    goal = tool.goal.format(**{key: show(value) for key, value in arguments.items()})
    return Case({}, {}, ask, result, answer, goal, tool.family, tool.description)


def same_tool_again(r: Random, first: Case) -> Case:
    """Another request for the tool of a typical case, with its required parameters only."""
    tool = next(t for t in TYPICAL if t.description == first.description)
    arguments = {p.name: p.make(r) for p in tool.parameters if p.required}
    result, answer = tool.result(r, arguments)
    ask = fill_request(r.choice(tool.requests), arguments)
    goal = tool.goal.format(**{key: show(value) for key, value in arguments.items()})
    order = first.schema["function"]["parameters"]["properties"]
    alias = {p.name: name for p, name in zip(tool.parameters, order, strict=True)}
    call = {"name": first.call["name"], "arguments": {alias[key]: value for key, value in arguments.items()}}
    return Case(first.schema, call, ask, result, answer, goal, first.family)
