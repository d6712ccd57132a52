"""Raw values as JSON of the declared type, in any pieces."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivace.chat.dialects.base import UNDECIDED_LIMIT
from vivace.chat.dialects.json_scanner import MENDED
from vivace.chat.dialects.value_writer import SURPLUS, ValueWriter
from vivace.chat.dialects.values import ANY

STRING_OR_INTEGER = frozenset({"string", "integer"})


def written(text: str, types: frozenset[str], size: int) -> str:
    writer = ValueWriter(types)
    return "".join(map(writer.feed, pieces(text, size))) + writer.finish()


def pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("  42 ", 42),
        ("   ", "   "),
        ("", ""),
        (" 4 cats", " 4 cats"),
        ("\n\n-7", -7),
        (" x", " x"),
        ("4" * 500 + "x",) * 2,
    ],
)
def test_a_value_that_may_be_a_string_or_a_number(text: str, value: object, size: int) -> None:
    assert json.loads(written(text, STRING_OR_INTEGER, size)) == value


def test_the_time_for_white_space_is_linear() -> None:
    """Ten times the text takes ten times as long, not a hundred; with a margin for a busy machine."""
    began = time.process_time()
    written(" " * 20_000, STRING_OR_INTEGER, 2)
    short_s = time.process_time() - began
    began = time.process_time()
    written(" " * 200_000, STRING_OR_INTEGER, 2)
    assert time.process_time() - began < 40 * short_s


CONTAINERS = frozenset({"object", "array"})
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=3) | st.lists(JSON_VALUES, max_size=3), st.data())
@settings(max_examples=100)
def test_objects_and_lists_go_through_as_they_are(value: object, data: st.DataObject) -> None:
    text = json.dumps(value, indent=data.draw(st.sampled_from([None, 1])), ensure_ascii=data.draw(st.booleans()))
    size = data.draw(st.integers(1, 9))
    for types in (CONTAINERS, CONTAINERS | {"null"}, ANY):
        assert written(f" {text}\n", types, size) == text
        assert json.loads(written(repr(value), types, size)) == value


DEGRADED = [
    ("{'a': 'it\\'s', \"b\": True,}", {"a": "it's", "b": True}, None),  # what Python takes is no fault
    ('{"a": [1, {"b": "x', {"a": [1, {"b": "x"}]}, MENDED),
    ('{"a": 1 "b": 2}', {"a": 1, "b": 2}, MENDED),
    ('{a: 1, "b": x}', {"a": 1, "b": "x"}, MENDED),
    ('{"a": "x\ny"}', {"a": "x\ny"}, MENDED),
    ('{"a": NaN}', {"a": "NaN"}, MENDED),
    ('{"a": 1}}', {"a": 1}, SURPLUS),
    ("[1, 2] ", [1, 2], None),
    ("not JSON", "not JSON", None),
    ("(1, 2)", "(1, 2)", None),
]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(("text", "value", "repaired"), DEGRADED)
def test_degraded_objects_and_lists_are_mended(text: str, value: object, repaired: str | None, size: int) -> None:
    writer = ValueWriter(CONTAINERS)
    json_text = "".join(map(writer.feed, pieces(text, size))) + writer.finish()
    assert (json.loads(json_text), writer.repaired, writer.surplus()) == (value, repaired, "")


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize(
    "text", ["[link](url)", "{not json}", '{"a": 1} and more', "{1, 2}", "{'a'", "[1, 2", "{", "[1 2]"]
)
def test_what_may_be_a_string_is_one_if_it_is_no_json(text: str, size: int) -> None:
    writer = ValueWriter(ANY)
    json_text = "".join(map(writer.feed, pieces(text, size))) + writer.finish()
    assert (json.loads(json_text), writer.repaired, writer.surplus()) == (text, None, "")


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_text_behind_an_object_is_not_part_of_it(size: int) -> None:
    writer, json_text, surplus = ValueWriter(CONTAINERS), "", ""
    for piece in pieces('{"a": 1}}\n] as wanted}', size):
        json_text += writer.feed(piece)
        surplus += writer.surplus()
    assert (json_text + writer.finish(), surplus, writer.repaired) == ('{"a": 1}', "as wanted}", SURPLUS)


def test_objects_come_while_they_are_written() -> None:
    writer = ValueWriter(CONTAINERS)
    steps = {' {"a': "{", '": [1': '"a": [', ", {'b": "1, {", '\': True, "c": "d': '"b": true, "c": "d', "e": "e"}
    assert {piece: writer.feed(piece) for piece in steps} == steps


@pytest.mark.parametrize("types", [ANY, frozenset({"string", "object"})])
@pytest.mark.parametrize("size", [7, 100_000])
def test_what_is_undecided_is_bounded(types: frozenset[str], size: int) -> None:
    value = {"a": "x" * UNDECIDED_LIMIT, "b": 1}
    text = json.dumps(value)
    writer = ValueWriter(types)
    assert writer.feed(text[:UNDECIDED_LIMIT]) == ""
    rest = list(map(writer.feed, pieces(text[UNDECIDED_LIMIT:], size)))
    assert rest[0] == text[: UNDECIDED_LIMIT + size]
    assert json.loads("".join(rest) + writer.finish()) == value
    assert json.loads(written(text + "!", types, size)) == value
    assert json.loads(written(" " * UNDECIDED_LIMIT + "{}", types, size)) == " " * UNDECIDED_LIMIT + "{}"


@given(st.text("{}[]:,\"'\\u1 a\n-Tre", max_size=30), st.sampled_from([ANY, CONTAINERS, STRING_OR_INTEGER]), st.data())
@settings(max_examples=300)
def test_anything_is_valid_json_whatever_the_split(text: str, types: frozenset[str], data: st.DataObject) -> None:
    whole = written(text, types, 1000)
    json.loads(whole)
    assert written(text, types, data.draw(st.integers(1, 4))) == whole
