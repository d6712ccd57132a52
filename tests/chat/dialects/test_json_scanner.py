"""JSON goes through as it is; what is nearly JSON comes out as JSON."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivace.chat.dialects.json_scanner import JsonScanner


def scanned(text: str, size: int = 10_000, literal: bool = False) -> tuple[str, str, bool]:
    """The JSON, what was left, and whether it was mended."""
    scanner, out, used = JsonScanner(literal), "", 0
    for at in range(0, len(text), size):
        if not scanner.done:
            written, length = scanner.feed(text[at : at + size])
            out, used = out + written, used + length
    return out + scanner.finish(), text[used:], scanner.repaired is not None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES, st.sampled_from([None, 1]), st.booleans(), st.integers(1, 5))
@settings(max_examples=100)
def test_json_goes_through_unchanged(value: object, indent: int | None, ascii_only: bool, size: int) -> None:
    text = json.dumps({"a": value}, indent=indent, ensure_ascii=ascii_only)
    assert scanned(text + " rest", size) == (text, " rest", False)


DEGRADED = [
    ("{'a': 'it\\'s', b: True, 'c': [1, None,],}", {"a": "it's", "b": True, "c": [1, None]}),
    ('{"a": "He said "hi" to me", "b": "x\ny"}', {"a": 'He said "hi" to me', "b": "x\ny"}),
    ('{"a": "cut', {"a": "cut"}),
    ('{"a": [1, {"b": "x', {"a": [1, {"b": "x"}]}),
    ('{"a": 1, "b', {"a": 1}),
    ('{"a": 1, "b":', {"a": 1}),
    ('{"a": 1 "b": 2}', {"a": 1, "b": 2}),
    ('{"a" "b"}', {"a": "b"}),
    ('{"a":, "b": 1}', {"a": None, "b": 1}),
    ('{"a": +5, "b": .5, "c": 0x1F, "d": NaN}', {"a": 5, "b": 0.5, "c": 31, "d": "NaN"}),
    ('{"a": "C:\\path"}', {"a": "C:\\path"}),
    ('{, "a": [, 1]}', {"a": [1]}),
]


@pytest.mark.parametrize(("text", "value"), DEGRADED)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_degraded_json_is_mended(text: str, value: object, size: int) -> None:
    written, rest, mended = scanned(text, size)
    assert (json.loads(written), rest, mended) == (value, "", True)


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [('{"a": [1, 2}}', {"a": [1, 2]}, "}"), ('{"a": {"b": 1]', {"a": {"b": 1}}, "]"), ('{"a": "b"]', {"a": "b"}, "]")],
)
def test_closers_of_the_wrong_kind_close_what_is_open(text: str, value: object, rest: str) -> None:
    written, left, _ = scanned(text, 1)
    assert (json.loads(written), left) == (value, rest)


@given(VALUES, st.integers(1, 5))
@settings(max_examples=100)
def test_python_literals_are_no_fault(value: object, size: int) -> None:
    written, _, mended = scanned(repr([value]), size, literal=True)
    assert (json.loads(written), mended) == ([value], False)


@given(st.text("{}[]:,\"'\\ux1 a\n-", max_size=40), st.integers(1, 4))
@settings(max_examples=300)
def test_anything_becomes_json_whatever_the_split(text: str, size: int) -> None:
    whole = scanned(text)
    json.loads(whole[0])
    assert scanned(text, size)[0] == whole[0]
