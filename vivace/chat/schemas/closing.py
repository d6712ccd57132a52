"""Objects in a call have the properties that their schema declares, and no others.

JSON Schema lets any object have more, unless it says otherwise. But a model that a grammar has led where it would not
have gone invents properties without end: what is generated is held to what the tool knows.
"""

from typing import Any

from vivace.chat.conversation import JSON

_ELSEWHERE = (  # what may declare more properties of the same object
    *("additionalProperties", "patternProperties", "unevaluatedProperties", "propertyNames"),
    *("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "not", "dependentSchemas"),
)
_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("prefixItems", "anyOf", "oneOf")


def closed(schema: JSON) -> JSON:
    """The schema with `additionalProperties: false` wherever it declares properties and says nothing else of others.

    What it allows, `schema` allows. A schema that puts objects together from several parts stays as it is.
    """
    return schema if _has_parts(schema) else _closed(schema)


def _closed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    result = dict(node)
    for key in _MAPS:
        if isinstance(node.get(key), dict):
            result[key] = {name: _closed(member) for name, member in node[key].items()}
    for key in _LISTS:
        if isinstance(node.get(key), list):
            result[key] = [_closed(member) for member in node[key]]
    if "items" in node:
        result["items"] = _closed(node["items"])
    if isinstance(node.get("properties"), dict) and not any(key in node for key in _ELSEWHERE):
        result["additionalProperties"] = False
    return result


def _has_parts(node: Any) -> bool:
    """Whether a part of an object may be declared elsewhere than beside the others, anywhere in the schema."""
    if isinstance(node, list):
        return any(map(_has_parts, node))
    if not isinstance(node, dict):
        return False
    joined = "properties" in node and any(key in node for key in ("$ref", "$dynamicRef", "anyOf", "oneOf", "if"))
    return joined or "allOf" in node or any(map(_has_parts, node.values()))
