"""What raw text is as JSON of the type that the tool's schema declares."""

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from json.encoder import encode_basestring
from typing import Any

from vivace.chat.conversation import Tool

_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"[-+.\d][-+.\deE_]{0,400}\Z")


def _begins(*words: str) -> Callable[[str], bool]:
    return lambda text: any(word.startswith(text.lower()) for word in words)


_BEGINNINGS: dict[str, Callable[[str], bool]] = {
    "null": _begins("null", "none"),
    "boolean": _begins("true", "false"),
    "integer": lambda text: bool(_NUMBER.match(text)),
    "number": lambda text: bool(_NUMBER.match(text)),
    "object": lambda text: text.startswith("{"),
    "array": lambda text: text.startswith("["),
}
ANY = frozenset({"string", *_BEGINNINGS})


def types_of(schema: Any, root: Mapping[str, Any], depth: int = 0) -> frozenset[str]:
    """The JSON types that `schema` allows; all of them where it does not say."""
    if not isinstance(schema, dict) or depth > 8:
        return ANY
    if isinstance(schema.get("$ref"), str):
        return types_of(resolve(schema["$ref"], root), root, depth + 1)
    declared = schema.get("type")
    if isinstance(declared, str):
        return frozenset({declared}) & ANY or ANY
    if isinstance(declared, list):
        return frozenset(t for t in declared if isinstance(t, str)) & ANY or ANY
    if "const" in schema or isinstance(schema.get("enum"), list):
        return frozenset(map(_type_of_value, schema.get("enum", [schema.get("const")])))
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            return frozenset().union(*(types_of(option, root, depth + 1) for option in schema[key])) or ANY
    if isinstance(schema.get("allOf"), list):
        return ANY.intersection(*(types_of(part, root, depth + 1) for part in schema["allOf"])) or ANY
    return frozenset({"object"}) if "properties" in schema else ANY


def parameter_types(tool: Tool, key: str) -> frozenset[str]:
    """Types of one parameter; an undeclared one is a string."""
    properties = tool.parameters.get("properties")
    if isinstance(properties, dict) and key in properties:
        return types_of(properties[key], tool.parameters)
    return frozenset({"string"})


def resolved(schema: Any, root: Mapping[str, Any]) -> Any:
    """`schema`, or what it refers to."""
    for _ in range(8):
        if not isinstance(schema, dict) or not isinstance(schema.get("$ref"), str):
            return schema
        schema = resolve(schema["$ref"], root)
    return None


def resolve(reference: str, root: Mapping[str, Any]) -> Any:
    """What a JSON pointer within `root` leads to; None if nothing is there."""
    node: Any = root
    for part in pointed(reference):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def pointed(reference: str) -> tuple[str, ...]:
    """The place that a JSON pointer names."""
    parts = reference.removeprefix("#").strip("/").split("/")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def _type_of_value(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def quote(text: str) -> str:
    """`text` as the inside of a JSON string; lone surrogates become escapes, so that the result is valid UTF-8."""
    quoted = encode_basestring(text)[1:-1]
    if _SURROGATE.search(quoted):
        return _SURROGATE.sub(lambda m: f"\\u{ord(m.group()):04x}", quoted)
    return quoted


def typed_json(text: str, types: frozenset[str]) -> str:
    """The JSON of raw `text`: as one of the types that are not string if it reads so, else as a string.

    A text that is no JSON but a Python literal (True, None, single quotes) of an allowed type is taken too.
    """
    stripped = text.strip()
    for value in _readings(stripped):
        if _allowed(value, types):
            return stripped if _is_strict(stripped) else json.dumps(value, ensure_ascii=bool(_SURROGATE.search(text)))
    return '"' + quote(text) + '"'


def _readings(text: str) -> Iterator[Any]:
    try:
        yield json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        yield from _python_reading(text)
    if text.lower() in ("true", "false", "null", "none"):
        yield {"true": True, "false": False}.get(text.lower())


def _python_reading(text: str) -> Iterator[Any]:
    try:
        value = ast.literal_eval(text)
        json.dumps(value, allow_nan=False)
        yield value
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return


def _allowed(value: Any, types: frozenset[str]) -> bool:
    kind = _type_of_value(value)
    if kind == "string":
        return False
    whole = kind == "number" and "integer" in types and float(value).is_integer()
    return kind in types or (kind == "integer" and "number" in types) or whole


def _is_strict(text: str) -> bool:
    """Whether `text` may go out as it stands (json.loads also takes NaN, which is no JSON)."""
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return not _SURROGATE.search(text)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def could_be(beginning: str, types: frozenset[str]) -> bool:
    """Whether a text with this beginning may still turn out to be JSON of one of `types`, none of them string."""
    text = beginning.strip()
    if not text:
        return True
    return any(_BEGINNINGS[t](text) for t in types)
