import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request

from vivace.errors import VivaceError
from vivace.server.body import MAX_DEPTH, parse_object, read_body

BAD_JSON = [
    (b"", "empty"),
    (b" \n", "empty"),
    (b"{", "line 1 column 2"),
    (b'{"a": 1,}', "line 1 column 9"),
    (b'{"a": 1} x', "Extra data"),
    (b"[]", "not an array"),
    (b'"x"', "not a string"),
    (b"7", "not a number"),
    (b"null", "not null"),
    (b"true", "not a boolean"),
    (b'{"a": NaN}', "NaN"),
    (b'{"a": -Infinity}', "-Infinity"),
    (b'{"a": 1e999}', "a: the number is too large"),
    (b'{"a": ' + b"9" * 5000 + b"}", "5000 digits"),
    (b'{"a": 1, "b": 2, "a": 3}', '"a" occurs twice'),
    (b'{"a": "\xff"}', "byte 7"),
    (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
    (b'{"a": ["x", "\\ud800"]}', "a.1: a lone surrogate (\\ud800)"),
    (b'{"\\udfff": 1}', "a lone surrogate (\\udfff)"),
    (b"[" * 100_000, "deeper than 128"),
    (b'{"a":' * 100_000, "deeper than 128"),
    (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "deeper than 128"),
]


@pytest.mark.parametrize(("body", "word"), BAD_JSON, ids=[str(body[:24]) for body, _ in BAD_JSON])
def test_a_bad_body_is_refused_with_its_place(body: bytes, word: str) -> None:
    with pytest.raises(VivaceError) as caught:
        parse_object(body)
    assert caught.value.kind == "invalid_request"
    assert word in caught.value.message


def test_nesting_up_to_the_limit_is_accepted() -> None:
    inner = b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1)
    assert "a" in parse_object(b'{"a":' + inner + b"}")


def test_paired_surrogate_escapes_are_one_character() -> None:
    assert parse_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "😀"}


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), _values, max_size=4))
def test_any_json_object_comes_back_as_it_was(value: dict[str, object]) -> None:
    assert parse_object(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_a_clean_refusal(body: bytes) -> None:
    with suppress(VivaceError):
        assert isinstance(parse_object(body), dict)


def _request(*messages: dict[str, object], headers: dict[str, str] | None = None) -> Request:
    waiting = list(messages)

    async def receive() -> dict[str, object]:
        return waiting.pop(0)

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive)


def _piece(body: bytes, more: bool = True) -> dict[str, object]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_pieces_are_joined() -> None:
    assert await read_body(_request(_piece(b"ab"), _piece(b""), _piece(b"c", more=False)), 3, 1.0) == b"abc"


async def test_the_limit_holds_without_a_content_length() -> None:
    with pytest.raises(VivaceError) as caught:
        await read_body(_request(_piece(b"ab"), _piece(b"cd"), _piece(b"", more=False)), 3, 1.0)
    assert caught.value.kind == "too_large"


async def test_a_client_that_asks_first_is_refused_unread() -> None:
    headers = {"content-length": "4", "expect": "100-continue"}
    with pytest.raises(VivaceError) as caught:
        await read_body(_request(headers=headers), 3, 1.0)
    assert caught.value.kind == "too_large"


async def test_a_client_that_leaves_before_the_end_is_noticed() -> None:
    with pytest.raises(ClientDisconnect):
        await read_body(_request(_piece(b"ab"), {"type": "http.disconnect"}), 3, 1.0)
