"""Which objects of a call are held to the properties that their schema declares."""

from typing import Any

import pytest

from vivace.chat.schemas.closing import closed

TEXT = {"type": "string"}
OPEN = {"type": "object", "properties": {"a": TEXT}}
CLOSED = {**OPEN, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (OPEN, CLOSED),
        ({"type": "array", "items": OPEN}, {"type": "array", "items": CLOSED}),
        ({"prefixItems": [OPEN], "items": True}, {"prefixItems": [CLOSED], "items": True}),
        ({"anyOf": [OPEN, TEXT]}, {"anyOf": [CLOSED, TEXT]}),
        ({"$ref": "#/$defs/P", "$defs": {"P": OPEN}}, {"$ref": "#/$defs/P", "$defs": {"P": CLOSED}}),
        ({"properties": {"b": OPEN}}, {"properties": {"b": CLOSED}, "additionalProperties": False}),
    ],
)
def test_what_declares_its_properties_is_closed(schema: Any, expected: Any) -> None:
    assert closed(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        TEXT,
        {"type": "object"},
        {**OPEN, "additionalProperties": True},
        {**OPEN, "additionalProperties": TEXT},
        {**OPEN, "patternProperties": {"^x": TEXT}},
        {"allOf": [OPEN, {"properties": {"b": TEXT}}]},
        {**OPEN, "anyOf": [{"properties": {"b": TEXT}}, {"properties": {"c": TEXT}}]},
        {**OPEN, "$ref": "#/$defs/P", "$defs": {"P": {"properties": {"b": TEXT}}}},
        {"not": OPEN},
        {"enum": [OPEN]},
    ],
)
def test_what_may_have_other_properties_stays_open(schema: Any) -> None:
    assert closed(schema) == schema


def test_properties_may_have_the_names_of_keywords() -> None:
    schema = {"properties": {"items": TEXT, "properties": OPEN}}
    assert closed(schema) == {"properties": {"items": TEXT, "properties": CLOSED}, "additionalProperties": False}
