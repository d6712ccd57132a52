"""Raw values as JSON of the declared type, in any pieces."""

import json
import time

import pytest

from vivace.chat.dialects.value_writer import ValueWriter

STRING_OR_INTEGER = frozenset({"string", "integer"})


def written(text: str, types: frozenset[str], size: int) -> str:
    writer = ValueWriter(types)
    return "".join(writer.feed(text[at : at + size]) for at in range(0, len(text), size)) + writer.finish()


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
