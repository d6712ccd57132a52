"""Schemas that are none are refused with the path to the fault, and the quick look never takes one for valid."""

import json
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator, SchemaError

from vivace.chat.schemas import check, fault

VALID: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"type": ["string", "null"], "description": "A."}}, "required": ["a"]},
    {"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "items": {"$ref": "#/definitions/d"}},
    {"anyOf": [{"const": 1}, {"enum": ["a"], "title": "T"}], "$defs": {"x": {"minimum": 1.5}}, "default": {}},
    {"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^a", "format": "date", "examples": ["a"]},
    {"additionalProperties": False, "minItems": 0, "exclusiveMaximum": 5, "uniqueItems": True, "multipleOf": 0.5},
    {"nullable": True, "x-order": [3], "discriminator": {"mapping": {}}, "not": {"type": "null"}, "readOnly": False},
]
WORDS = sorted(
    {*check._PLAIN, *check._INTRICATE, "properties", "$defs", "definitions", "anyOf", "allOf", "oneOf", "items"}
    | {"additionalProperties", "not", "$schema"}
)
VALUES: list[Any] = [None, True, -1, 1.5, "x", "[", "", [], ["a", "a"], [1], [{}], [True], {}, {"a": 1}, {"a": []}]


@pytest.mark.parametrize("schema", VALID)
def test_common_schemas_need_no_meta_schema(schema: dict[str, Any]) -> None:
    assert check._is_plain(schema)
    assert fault(schema) is None


@pytest.mark.parametrize("draft", [Draft7Validator, Draft202012Validator])
@pytest.mark.parametrize("word", WORDS)
def test_the_quick_look_takes_nothing_that_the_meta_schema_refuses(word: str, draft: Any) -> None:
    declared = {"$schema": draft.META_SCHEMA["$schema"]}
    for value in VALUES:
        for schema in ({word: value}, {"properties": {"p": {word: value}}}, {"items": {"anyOf": [{word: value}]}}):
            try:
                draft.check_schema(declared | schema)
            except (SchemaError, TypeError, AttributeError):
                assert not check._is_plain(declared | schema), json.dumps(schema)
                assert fault(declared | schema) is not None


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "objekt"}, ("type",)),
        ({"properties": {"a": {"type": 3}}}, ("properties", "a", "type")),
        ({"properties": {"a": {"required": "a"}}}, ("properties", "a", "required")),
        ({"allOf": [{}, {"minLength": -1}]}, ("allOf", "1", "minLength")),
        ({"pattern": "["}, ("pattern",)),
        ({"patternProperties": {"(": {}}}, ("patternProperties",)),
        ({"$schema": 3}, ("$schema",)),
        ({"multipleOf": 0}, ("multipleOf",)),
    ],
)
def test_the_path_leads_to_the_fault(schema: dict[str, Any], path: tuple[str, ...]) -> None:
    found = fault(schema)
    assert found is not None
    assert found[1] == path


@pytest.mark.parametrize("pattern", [r"^\p{L}+$", "(?<year>[0-9]{4})", r"[\w-.]", "(?=x)y", r"(a)\1"])
def test_patterns_are_of_ecmascript_not_of_python(pattern: str) -> None:
    assert fault({"type": "string", "pattern": pattern}) is None
