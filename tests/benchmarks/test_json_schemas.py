"""The runner over schema collections: it finds the order of keys, and counts what it should."""

import json
from pathlib import Path
from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer

from benchmarks import json_schemas
from benchmarks._spelling import can_write
from vivace.assets import embedded_model_path
from vivace.chat.schemas import hold
from vivace.engine.matcher import GrammarCompiler

POINT = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "number"}}, "required": ["x", "y"]}
LINE = {
    "type": "object",
    "properties": {"to": POINT, "from": POINT},
    "required": ["from", "to"],
    "additionalProperties": False,
}
UNIQUE = {"type": "array", "uniqueItems": True}


@pytest.mark.parametrize(
    ("schema", "instance", "expected"),
    [
        (POINT, {"y": 1, "x": 2}, True),
        (POINT, {"z": 0, "y": 1.5, "x": 2}, True),
        (LINE, {"from": {"y": 1, "x": 1}, "to": {"x": 1, "y": 1}}, True),
        ({"anyOf": [POINT, LINE]}, {"from": {"y": 1, "x": 1}, "to": {"x": 1, "y": 1}}, True),
        ({"type": "integer"}, 3.0, True),
        ({"type": "integer"}, 3.5, False),
        ({"minimum": -2, "type": "number"}, -2.0001, False),
        ({"type": "string", "maxLength": 1}, "é", True),
        (POINT, {"x": 1}, False),
        (LINE, {"from": {"y": 1, "x": 1}, "to": {"x": 1, "y": "1"}}, False),
        (LINE, {"from": {"y": 1, "x": 1}, "to": {"x": 1, "y": 1}, "by": 1}, False),
    ],
)
def test_an_instance_passes_in_any_spelling(schema: Any, instance: Any, expected: bool) -> None:
    byte = LLTokenizer("byte")
    matcher = LLMatcher(byte, f"start: %json {hold(schema).source}", log_level=0)
    assert can_write(instance, matcher, byte, schema) is expected


def test_both_layouts_are_read_and_counted(tmp_path: Path) -> None:
    tests = [{"data": {"y": 1, "x": 2}, "valid": True}, {"data": {"x": 1}, "valid": False}]
    unique = [{"data": [1], "valid": True}, {"data": [1, 1], "valid": False}, {"data": 1, "valid": False}]
    suite, bench = tmp_path / "suite" / "tests" / "draft2020-12", tmp_path / "bench" / "maskbench" / "data"
    for folder in (suite, bench):
        folder.mkdir(parents=True)
    entries = [{"description": "point", "schema": POINT, "tests": tests}]
    (suite / "a.json").write_text(json.dumps([*entries, {"description": "none", "schema": {"type": 1}, "tests": []}]))
    (bench / "Some---b.json").write_text(json.dumps({"schema": UNIQUE, "tests": unique}))
    compiler, byte = GrammarCompiler(embedded_model_path(), json_schemas.VOCABULARY), LLTokenizer("byte")
    rows = {}
    for folder in ("suite", "bench"):
        tally = json_schemas.Tally()
        for case in json_schemas.cases(tmp_path / folder):
            json_schemas.measure(case, tally, compiler, byte, show=False)
        rows[folder] = tally.row(folder)
    assert {"schemas": 2, "no schema": 1, "relaxed": 0, "accepted, %": 100, "refused, %": 100}.items() <= rows[
        "suite"
    ].items()
    assert {"relaxed": 1, "valid instances": 1, "invalid instances": 2, "refused, %": 50}.items() <= rows[
        "bench"
    ].items()
