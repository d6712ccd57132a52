"""The opposite of a schema, where it can be said without `not`."""

from collections.abc import Callable
from typing import Any

from vivace.chat.conversation import JSON
from vivace.chat.schemas.words import ANNOTATIONS, TYPES


def negated(schema: Any) -> Any:
    """A schema for exactly the instances that `schema` refuses, or None where there is no saying it."""
    if isinstance(schema, bool):
        return not schema
    words = [word for word in schema if word not in ANNOTATIONS]
    if not words:
        return False
    opposites = [_OPPOSITES[word](schema[word]) if word in _OPPOSITES else None for word in words]
    return _either(opposites)


def _either(options: list[Any]) -> Any:
    """None if one of them is unknown."""
    if any(option is None for option in options):
        return None
    return options[0] if len(options) == 1 else {"anyOf": options}


def _type(value: Any) -> Any:
    named = {value} if isinstance(value, str) else set(value)
    if "integer" in named and "number" not in named:
        return None  # numbers with a fraction cannot be said
    rest = [each for each in TYPES if each not in named]
    return {"type": rest} if rest else False


def _required(names: list[str]) -> Any:
    missing = [{"type": "object", "properties": {name: False}} for name in names]
    return _either(list(missing)) if missing else False


def _properties(properties: JSON) -> Any:
    options = []
    for name, schema in properties.items():
        opposite = negated(schema)
        if opposite is None:
            return None
        options.append({"type": "object", "required": [name], "properties": {name: opposite}})
    return _either(options) if options else False


def _const(value: Any) -> Any:
    if value is None:
        return _type("null")
    if isinstance(value, bool):
        return {"anyOf": [_type("boolean"), {"const": not value}]}
    return None


def _all_of(parts: list[Any]) -> Any:
    return _either([negated(part) for part in parts])


def _any_of(options: list[Any]) -> Any:
    opposites = [negated(option) for option in options]
    return None if any(each is None for each in opposites) else {"allOf": opposites}


_OPPOSITES: dict[str, Callable[[Any], Any]] = {
    "type": _type,
    "required": _required,
    "properties": _properties,
    "const": _const,
    "enum": lambda values: _any_of([{"const": value} for value in values]),
    "allOf": _all_of,
    "anyOf": _any_of,
    "not": lambda schema: schema,
}
