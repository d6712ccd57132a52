"""What of a schema is held, what is said of the rest, and that nothing valid becomes impossible."""

import time
from typing import Any

import pytest

from tests.chat.schemas.instances import allows
from vivace.chat.schemas import hold

JSON = dict[str, Any]
TREE = {"type": "object", "properties": {"v": {"type": "integer"}, "left": {"$ref": "#"}}, "required": ["v"]}
KINDS = [{"type": "object", "properties": {"k": {"const": k}}, "required": ["k"]} for k in "ab"]


def objects(**properties: Any) -> JSON:
    return {"type": "object", "properties": properties}


# schema, instances that it allows, instances that it refuses; none of it is relaxed
EXACT: dict[str, tuple[JSON, list[Any], list[Any]]] = {
    "empty": ({}, [None, 1, "a", [], {}], []),
    "boolean members": ({**objects(a=True), "additionalProperties": False}, [{"a": 1}, {}], [{"b": 1}]),
    "types": ({"type": ["string", "null"], "minLength": 2}, [None, "ab"], ["a", 1]),
    "nullable is no keyword": ({"type": "string", "nullable": True}, ["a"], [None]),
    "recursion": (TREE, [{"v": 1, "left": {"v": 2}}], [{"v": 1, "left": {}}]),
    "definitions": ({"$ref": "#/$defs/P", "$defs": {"P": {"type": "integer"}}}, [1], ["a"]),
    "integral floats": ({"type": "array", "minItems": 1.0}, [[1]], [[]]),
    "bounds": ({"type": "integer", "minimum": 10, "exclusiveMaximum": 12}, [10, 11], [9, 12]),
    "multiples": ({"type": "number", "multipleOf": 0.5}, [1.5, -0.5], [1.2]),
    "dates": ({"type": "string", "format": "date"}, ["2026-11-24"], ["2026-13-01"]),
    "patterns": ({"type": "string", "pattern": "^[a-z]+$"}, ["ab"], ["aB"]),
    "unicode classes": ({"type": "string", "pattern": r"^\p{Lu}+$"}, ["É"], ["é"]),
    "lookaheads first": ({"type": "string", "pattern": "^(?=.*[0-9])(?=.*[A-Z]).{3,}$"}, ["aB1"], ["ab1", "aBc", "B1"]),
    "pattern properties": (
        {"type": "object", "patternProperties": {"^n_": {"type": "integer"}}, "additionalProperties": False},
        [{"n_a": 1}],
        [{"n_a": "x"}, {"a": 1}],
    ),
    "huge enum": ({"enum": [f"value {n}" for n in range(5_000)]}, ["value 4999"], ["value 5000"]),
    "disjoint oneOf": ({"oneOf": KINDS}, [{"k": "a"}], [{"k": "c"}]),
    "oneOf by reference": (
        {"oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}], "$defs": dict(zip("ab", KINDS, strict=True))},
        [{"k": "a"}],
        [{"k": "c"}],
    ),
    "not a type": ({"not": {"type": ["object", "array"]}}, [1, "a", None], [{}, []]),
    "not required": ({"type": "object", "not": {"required": ["a"]}}, [{"b": 1}, {}], [{"a": 1}]),
    "not any of": (
        {"type": "object", "not": {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}},
        [{"c": 1}],
        [{"a": 1}, {"b": 1}],
    ),
    "not anything": ({**objects(a={"not": {}}, b={"type": "integer"})}, [{"b": 1}], [{"a": 1}]),
    "if required": (
        {"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}},
        [{"a": 1, "b": 1}, {"c": 1}],
        [{"a": 1}, {"d": 1}],
    ),
    "if in an old draft": ({"$schema": "http://json-schema.org/draft-06/schema#", "if": True, "then": False}, [1], []),
    "siblings of $ref in an old draft": (
        {"$schema": "http://json-schema.org/draft-07/schema#", **objects(a={"$ref": "#/definitions/n", "maximum": 1})}
        | {"definitions": {"n": {"type": "integer"}}},
        [{"a": 5}],
        [{"a": "x"}],
    ),
    "dependent names": (
        {"type": "object", "dependentRequired": {"a": ["b"]}},
        [{"a": 1, "b": 1}, {"c": 1}],
        [{"a": 1}],
    ),
    "dependent schemas": (
        {**objects(a={}, b={}), "dependentSchemas": {"a": objects(b={"type": "integer"})}},
        [{"a": 1, "b": 1}, {"b": "x"}],
        [{"a": 1, "b": "x"}],
    ),
    "property names": ({"type": "object", "propertyNames": {"pattern": "^[a-z]$"}}, [{"a": 1}], [{"A": 1}]),
    "listed property names": ({"type": "object", "propertyNames": {"enum": ["x"]}}, [{"x": 1}, {}], [{"y": 1}]),
    "unevaluated": ({**objects(a={}), "unevaluatedProperties": False}, [{"a": 1}], [{"b": 1}]),
    "split by allOf": (
        {
            "type": "object",
            "patternProperties": {"^a": {"type": "integer"}},
            "allOf": [{"required": ["ab"]}],
            "additionalProperties": False,
        },
        [{"ab": 1}],
        [{"ab": 1, "b": 1}, {}],
    ),
}


@pytest.mark.parametrize(("schema", "right", "wrong"), EXACT.values(), ids=EXACT)
def test_held_exactly(schema: JSON, right: list[Any], wrong: list[Any]) -> None:
    held = hold(schema)
    assert held.losses == ()
    assert all(allows(held, instance) for instance in right)
    assert not any(allows(held, instance) for instance in wrong)


# schema, what is said, instances that must be possible, instances that are refused all the same
RELAXED: dict[str, tuple[JSON, list[str], list[Any], list[Any]]] = {
    "not": (objects(a={"type": "integer", "not": {"const": 3}}), ["properties.a: `not`"], [{"a": 4}], [{"a": "x"}]),
    "if": (
        {**objects(a={"type": "integer"}), "if": objects(a={"const": 1}), "then": {"required": ["b"]}},
        ["`if`"],
        [{"a": 2}, {"a": 1, "b": 1}],
        [{"a": "x"}],
    ),
    "if in part": (
        {"if": objects(a={"const": 1}), "then": {"required": ["b"]}, "else": {"required": ["c"]}, "type": "object"},
        ["`if` is not fully"],
        [{"c": 1, "a": 2}, {"a": 1, "b": 1}],
        [{"d": 1}],
    ),
    "overlapping oneOf": (
        {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]},
        ["`oneOf` is held as `anyOf`"],
        [1, 2.5],
        ["a"],
    ),
    "contains": (
        {"type": "array", "items": {"type": "integer"}, "contains": {"const": 3}},
        ["`contains`"],
        [[3]],
        ["a"],
    ),
    "unique": ({"type": "array", "uniqueItems": True, "maxItems": 2}, ["`uniqueItems`"], [[1, 2]], [[1, 2, 3]]),
    "format": ({"type": "string", "format": "unheard-of", "maxLength": 2}, ["`format`"], ["ab"], ["abc"]),
    "lookbehind": ({"type": "string", "pattern": "(?<=a)b", "maxLength": 2}, ["`pattern`"], ["ab"], ["abc"]),
    "negative lookahead": ({"type": "string", "pattern": "^(?!x)[a-z]+$"}, ["`pattern` is not fully"], ["ab"], ["A"]),
    "pattern and length": (
        {"type": "string", "pattern": r"^(?:\S+\s+){0,9}\S+$", "maxLength": 100},
        ["`maxLength`"],
        ["nine words that are short enough to be allowed"],
        [" "],
    ),
    "remote": (
        objects(a={"$ref": "https://example.invalid/s"}, b={"type": "null"}),
        ["properties.a: `$ref`"],
        [{"a": 1}],
        [{"b": 1}],
    ),
    "nowhere": (
        objects(a={"$ref": "#/$defs/none"}, b={"type": "null"}),
        ["properties.a: `$ref`"],
        [{"a": 1}],
        [{"b": 1}],
    ),
    "overlapping patterns": (
        {
            "type": "object",
            "patternProperties": {"^a": {"type": "integer"}, "b$": {"minimum": 3}},
            "additionalProperties": False,
        },
        ["`patternProperties`", "`additionalProperties`"],
        [{"ab": 5}, {"a": 1}],
        ["text"],
    ),
    "some property": (
        {**objects(a={"type": "integer"}), "minProperties": 1},
        ["`minProperties`"],
        [{"a": 1}],
        [{"a": "x"}],
    ),
    "bounds in two schemas": (
        {"allOf": [{"minProperties": 2}, objects(a={"type": "integer"}, b={}, c={})]},
        ["allOf.0: `minProperties`"],
        [{"a": 1, "b": 1}],
        [{"a": "x"}],
    ),
    "unsatisfiable": ({"type": "integer", "minimum": 3, "maximum": 2}, ["`maximum`"], [3], [2, "a"]),
    "impossible member": ({**objects(a=False), "required": ["a"]}, ["`required`"], [{}], [1]),
    "large multiples": ({"type": "integer", "multipleOf": 123456789012}, ["`multipleOf`"], [3], ["a"]),
    "loops": (
        {
            "allOf": [{"$ref": "#/$defs/n"}, objects(b={"type": "integer"})],
            "$defs": {"n": objects(c={"allOf": [{"$ref": "#/$defs/n"}, objects(d={})]})},
        },
        ["allOf.0: `$ref`"],
        [{"b": 1}],
        [{"b": "x"}],
    ),
    "half a surrogate": ({"enum": ["\ud800", "a"], "type": "string"}, ["`enum`"], ["a"], [1]),
}


@pytest.mark.parametrize(("schema", "said", "right", "wrong"), RELAXED.values(), ids=RELAXED)
def test_relaxed_and_said_so(schema: JSON, said: list[str], right: list[Any], wrong: list[Any]) -> None:
    held = hold(schema)
    notes = [".".join(map(str, path)) + ": " * bool(path) + text for path, text in held.losses]
    assert len(notes) == len(said)
    assert all(note.startswith(begins) for note, begins in zip(notes, said, strict=True)), notes
    assert all(allows(held, instance) for instance in right)
    assert not any(allows(held, instance) for instance in wrong)


def test_one_fault_among_many_keywords_costs_only_itself() -> None:
    properties = {f"p{n}": {"type": "integer", "minimum": n} for n in range(100)}
    properties["p50"] = {"type": "integer", "multipleOf": 123456789012}
    held = hold(objects(**properties))
    assert held.losses == ((("properties", "p50"), "`multipleOf` is not enforced"),)
    assert allows(held, {"p50": 1, "p99": 99})
    assert not allows(held, {"p99": 98})


def test_very_many_faults_are_given_up_in_time() -> None:
    faulty = [{"type": "integer", "multipleOf": 123456789012 + n} for n in range(1_000)]
    began = time.perf_counter()
    held = hold({"type": "array", "prefixItems": faulty, "items": False})
    assert time.perf_counter() - began < 20  # about 4
    assert "keywords more are not enforced" in held.losses[-1][1]
    assert allows(held, [1] * 1_000)


def test_very_many_optional_properties_are_held_in_part() -> None:
    held = hold({**objects(**{f"p{n}": {"type": "integer"} for n in range(1_000)}), "additionalProperties": False})
    assert held.losses == (((), "`properties` is not enforced from 'p400' on"),)
    assert allows(held, {"p1": 1, "p399": 1, "p999": 1})
    assert not allows(held, {"p399": "x"})


def test_a_deep_schema_is_held_as_far_as_it_goes() -> None:
    schema: JSON = {"type": "integer"}
    for _ in range(150):
        schema = objects(a=schema)
    held = hold(schema)
    assert held.losses
    assert allows(held, {"a": {"a": {}}})
    assert not allows(held, {"a": {"a": 1}})


# OpenAI's strict mode: all of its keywords, in one schema.
STRICT = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Z]"},
        "when": {"type": ["string", "null"], "format": "date-time"},
        "count": {"type": "integer", "minimum": 0, "exclusiveMaximum": 10, "multipleOf": 2},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "node": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
    },
    "required": ["name", "when", "count", "kind", "node", "tags"],
    "additionalProperties": False,
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}, "root": {"const": 1}},
            "required": ["next", "root"],
            "additionalProperties": False,
        }
    },
}
STRICTLY = {"name": "A", "when": None, "count": 8, "kind": "b", "node": {"next": None, "root": 1}, "tags": ["x"]}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a"},
        {"when": "yesterday"},
        {"count": 7},
        {"count": 10},
        {"kind": "c"},
        {"node": {"next": None}},
        {"node": {"next": {"next": None, "root": 2}, "root": 1}},
        {"tags": []},
        {"tags": ["x", "y", "z"]},
        {"more": 1},
    ],
)
def test_strict_schemas_hold_exactly(change: JSON) -> None:
    held = hold(STRICT)
    assert held.losses == ()
    assert allows(held, STRICTLY)
    assert not allows(held, STRICTLY | change)
