"""The keywords of JSON Schema: where subschemas stand, and what says nothing about instances."""

from collections.abc import Callable
from typing import Any

Path = tuple[str | int, ...]

MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
SINGLES = frozenset(
    {
        *("items", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties"),
        *("contains", "propertyNames", "not", "if", "then", "else"),
    }
)
DEFINITIONS = ("$defs", "definitions")
ANNOTATIONS = frozenset(
    {
        *("title", "description", "default", "examples", "$comment", "readOnly", "writeOnly", "deprecated"),
        *("contentEncoding", "contentMediaType", "contentSchema", "x-guidance"),
    }
)
TYPES = ("null", "boolean", "number", "string", "array", "object")
_DRAFTS = {f"draft-0{number}": number for number in (3, 4, 6, 7)} | {"2019-09": 2019}


def draft(schema: Any) -> int:
    """The draft that a schema declares: 3, 4, 6, 7, 2019, and 2020 where it declares none or one of its own."""
    declared = schema.get("$schema", "") if isinstance(schema, dict) else ""
    return next((number for name, number in _DRAFTS.items() if name in declared), 2020)


def rebuilt(word: str, value: Any, path: Path, schema: Callable[[Any, Path], Any]) -> Any:
    """The value of a keyword with each subschema in it replaced by what `schema` makes of it and its path."""
    if word in MAPS and isinstance(value, dict):
        return {name: schema(each, (*path, word, name)) for name, each in value.items()}
    if word in LISTS and isinstance(value, list):
        return [schema(each, (*path, word, index)) for index, each in enumerate(value)]
    return schema(value, (*path, word)) if word in SINGLES else value


def has_subschemas(word: str, value: Any) -> bool:
    return word in MAPS or (word in LISTS and isinstance(value, list)) or word in SINGLES


def subschemas(word: str, value: Any, path: Path) -> list[tuple[Any, Path]]:
    """The subschemas in the value of a keyword, with their paths."""
    found: list[tuple[Any, Path]] = []
    rebuilt(word, value, path, lambda each, at: found.append((each, at)))
    return found
