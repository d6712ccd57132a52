"""The llguidance rules of Pythonic arguments."""

from typing import Any

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.tagged_grammar import other_name, properties, takes_others, value_options
from vivace.chat.dialects.values import types_of

_SINGLE_QUOTED = r"/'([^'\\\n]|\\[^\n])*'/"
_BOUNDS = frozenset({"pattern", "format", "minLength", "maxLength", "$ref", "allOf", "anyOf", "oneOf", "not", "if"})


def pythonic_arguments(writer: RuleWriter, tool: Tool) -> str:
    """Arguments in the schema's order up to the closing parenthesis; what is optional may be left out.

    JSON is near enough to Python for values. Where any names are allowed, they come last.
    """
    required = [k for k in properties(tool) if k in tool.parameters.get("required", ())]
    optional = [k for k in properties(tool) if k not in required]
    other = _other(writer, tool) if takes_others(tool.parameters) else ""
    others = f'(", " {other})*' if other else ""
    parts = [_argument(writer, tool, key, ", " if i else "") for i, key in enumerate(required)]
    if required:
        parts += [f"{_argument(writer, tool, key, ', ')}?" for key in optional]
        parts.append(others)
    elif optional or other:
        parts.append(_any_first(writer, tool, optional, other, others))
    return " ".join([*filter(None, parts), writer.text(")")])


def _other(writer: RuleWriter, tool: Tool) -> str:
    """An argument that is not declared."""
    extra = tool.parameters.get("additionalProperties", True)
    value = _any_value(writer) if extra in (True, {}) else writer.json(extra, tool.parameters)
    return writer.rule("argument", f'{other_name(writer, tool, "/[A-Za-z_][A-Za-z_0-9]*/")} "=" {value}')


def _any_first(writer: RuleWriter, tool: Tool, keys: list[str], other: str, others: str) -> str:
    """Optional arguments only: each may be the first."""
    rules = [f"{other} {others}"] if other else []
    for i, key in enumerate(keys):
        rest = " ".join(f"{_argument(writer, tool, later, ', ')}?" for later in keys[i + 1 :])
        rules.append(f"{_argument(writer, tool, key, '')} {rest} {others}")
    return f"({writer.rule('arguments', ' | '.join(rules))})?"


def _argument(writer: RuleWriter, tool: Tool, key: str, before: str) -> str:
    return writer.rule("argument", f"{writer.text(f'{before}{key}=')} {_value(writer, tool, key)}")


def _value(writer: RuleWriter, tool: Tool, key: str) -> str:
    """JSON, or the Python literal where it differs, is no container and the schema says nothing more of it."""
    schema = properties(tool)[key]
    types = types_of(schema, tool.parameters)
    options = value_options(schema)
    alternatives = [writer.json(schema, tool.parameters)]
    if options:
        alternatives += [writer.text(repr(option)) for option in options]
    elif types == {"string"} and _is_unbounded(schema):
        alternatives.append(_SINGLE_QUOTED)
    alternatives += ['"True"', '"False"'] if "boolean" in types and not options else []
    alternatives += ['"None"'] if "null" in types and not options else []
    return f"({' | '.join(alternatives)})"


def _is_unbounded(schema: Any) -> bool:
    return not (isinstance(schema, dict) and _BOUNDS & schema.keys())


def _any_value(writer: RuleWriter) -> str:
    literals = [writer.json({}, {}), _SINGLE_QUOTED, '"True"', '"False"', '"None"']
    return writer.rule("any_value", " | ".join(literals))
