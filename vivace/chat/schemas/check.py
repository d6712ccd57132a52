"""Whether a schema is one, by the meta-schema of the draft that it declares."""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from vivace.chat.schemas.probe import knows_pattern

_CACHED_CHARACTERS = 65_536  # of one schema
_TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
_PLAIN_DRAFTS = ("https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema")

Fault = tuple[str, tuple[str, ...]]


def fault(schema: Any) -> Fault | None:
    """What is wrong with a schema, and the path to it; None for a valid one."""
    try:
        source = json.dumps(schema)
        return _cached(source) if len(source) <= _CACHED_CHARACTERS else _judged(source)
    except RecursionError:
        return "it is nested too deeply", ()
    except (TypeError, ValueError) as error:  # jsonschema trips over keywords of a wrong type before it judges them
        return str(error), ()


@lru_cache(1024)
def _cached(source: str) -> Fault | None:
    """Agents send the same tools every turn."""
    return _judged(source)


def _judged(source: str) -> Fault | None:
    schema = json.loads(source)
    return None if _is_plain(schema) else _by_meta_schema(schema)


def _by_meta_schema(schema: Any) -> Fault | None:
    """By jsonschema, which takes 2 ms for a schema of eight properties."""
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for

    if not isinstance(schema.get("$schema", ""), str):
        return "the draft must be named by a string", ("$schema",)
    try:
        validator: Any = validator_for(schema, default=Draft202012Validator)
        validator.check_schema(schema, format_checker=_formats())
    except SchemaError as error:
        return error.message, tuple(map(str, error.absolute_path))
    return None


@lru_cache(1)
def _formats() -> Any:
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    checker.checks("regex")(_is_pattern)
    return checker


def _is_pattern(value: Any) -> bool:
    """Patterns are ECMA-262: Python lacks some of it (`\\p{L}`, `(?<name>`), llguidance some other (lookarounds)."""
    if not isinstance(value, str) or knows_pattern(value):
        return True
    try:
        re.compile(value)
    except (re.error, OverflowError):
        return False
    return True


def _is_plain(schema: Any, depth: int = 0) -> bool:
    """Certainly valid by drafts 7 and 2020-12: of their keywords nothing but the most common, with the right values.

    A thousandth of the work; whatever else a schema has is left to its meta-schema.
    """
    if isinstance(schema, bool):
        return depth > 0
    if not isinstance(schema, dict):
        return False
    return all(_plain_word(word, value, depth) for word, value in schema.items())


def _plain_word(word: str, value: Any, depth: int) -> bool:
    if word in ("properties", "$defs", "definitions"):
        return isinstance(value, dict) and all(_is_plain(each, depth + 1) for each in value.values())
    if word in ("anyOf", "allOf", "oneOf"):
        return isinstance(value, list) and bool(value) and all(_is_plain(each, depth + 1) for each in value)
    if word in ("items", "additionalProperties", "not"):
        return _is_plain(value, depth + 1)
    if word == "$schema":
        return depth == 0 and isinstance(value, str) and value.removesuffix("#") in _PLAIN_DRAFTS
    if word in _PLAIN:
        return _PLAIN[word](value)
    return word not in _INTRICATE  # what no draft knows may be anything


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value)) and len(set(value)) == len(value)


def _is_type(value: Any) -> bool:
    if isinstance(value, str):
        return value in _TYPES
    return _is_names(value) and bool(value) and _TYPES.issuperset(value)


_PLAIN: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("title", "description", "format", "$comment"), _is_text),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly"), lambda value: isinstance(value, bool)),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("const", "default"), lambda value: True),
    **dict.fromkeys(("enum", "examples"), lambda value: isinstance(value, list) and bool(value)),
    "$ref": _is_text,
    "pattern": lambda value: isinstance(value, str) and _is_pattern(value),
    "required": _is_names,
    "type": _is_type,
    "multipleOf": lambda value: _is_number(value) and value > 0,
}
_INTRICATE = frozenset(
    {
        *("$id", "id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$vocabulary"),
        *("contains", "minContains", "maxContains", "prefixItems", "additionalItems", "unevaluatedItems"),
        *("patternProperties", "propertyNames", "dependencies", "dependentRequired", "dependentSchemas"),
        *("unevaluatedProperties", "if", "then", "else", "contentEncoding", "contentMediaType", "contentSchema"),
    }
)
