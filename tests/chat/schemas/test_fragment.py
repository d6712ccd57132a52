"""A parameter's schema alone means what it means within the schema of all parameters."""

from typing import Any

import pytest

from tests.chat.schemas.instances import allows
from vivace.chat.schemas import fragment, hold, origin, place

NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "additionalProperties": False}


def root(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "name", "right", "wrong"),
    [
        (root(a={"type": "integer"}), "a", 1, "x"),
        (root(a={"$ref": "#/$defs/node"}) | {"$defs": {"node": NODE}}, "a", {"next": {}}, {"next": 1}),
        (root(v={"type": "integer"}, child={"$ref": "#"}), "child", {"v": 1, "child": {"v": 2}}, {"child": {"v": "x"}}),
        (root(v={"type": "integer"}, w={"$ref": "#/properties/v"}), "w", 1, "x"),
        (root(**{"a/b": {"type": "integer"}, "w": {"items": {"$ref": "#/properties/a~1b"}}}), "w", [1], ["x"]),
        (root(v={"$ref": "#/$defs/up"}) | {"$defs": {"up": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}, "v", {}, 1),
        (root(a={"$ref": "#x"}) | {"$defs": {"x": {"$anchor": "x", "type": "null"}}}, "a", None, 1),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#"}
            | root(v={"type": "null"}, w={"$ref": "#/properties/v"}),
            "w",
            None,
            1,
        ),
    ],
)
def test_references_lead_where_they_led(schema: dict[str, Any], name: str, right: Any, wrong: Any) -> None:
    held = hold(fragment(schema["properties"][name], schema))
    assert held.losses == ()
    assert allows(held, right)
    assert not allows(held, wrong)


def test_a_schema_that_is_made_for_the_grammar_refers_to_the_whole_too() -> None:
    whole = root(v={"type": "integer"}, w={"$ref": "#/properties/v"})
    held = hold(fragment({"allOf": [whole["properties"]["w"], {"type": ["integer", "null"]}]}, whole))
    assert allows(held, 1)
    assert not allows(held, None)


def test_losses_are_told_by_their_place_in_the_whole() -> None:
    unique = {"type": "array", "uniqueItems": True}
    for schema, expected in [
        (root(a=unique), ("properties", "a")),
        (root(a={"$ref": "#/$defs/u"}) | {"$defs": {"u": unique}}, ("$defs", "u")),
        (root(b=unique, a={"items": {"$ref": "#"}}), ("properties", "b")),
    ]:
        at = place(schema["properties"]["a"], schema)
        held = hold(fragment(schema["properties"]["a"], schema))
        assert at == ("properties", "a")
        assert [origin(path, at) for path, _ in held.losses] == [expected]
