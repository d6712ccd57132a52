"""What the benchmark's client makes of a stream, however it arrives in pieces."""

import json
from typing import Any

import httpx
import pytest

from benchmarks._client import Answer, ServerFailedError, ask, read, request_body


def sse(*chunks: dict[str, Any]) -> list[bytes]:
    return [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]


def delta(finish_reason: str | None = None, **fields: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


ROLE, TEXT, END = delta(role="assistant", content=""), delta(content="one"), delta("length")
USAGE = {"choices": [], "usage": {"prompt_tokens": 32, "completion_tokens": 5}}
TIMED = USAGE | {"timings": {"decode_s": 0.5}}


def at(*pieces: tuple[float, bytes]) -> Answer:
    return read(list(pieces))


def test_times_are_those_of_the_first_text_and_of_the_end() -> None:
    role, text, more, end, usage = sse(ROLE, TEXT, TEXT, END, TIMED)
    answer = at((0.1, role), (1.0, text), (2.0, more), (3.0, end), (3.5, usage), (3.6, b"data: [DONE]\n\n"))
    assert answer == Answer(1.0, 3.0, 32, 5, {"decode_s": 0.5})
    assert answer.token_s == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["content", "reasoning_content", "reasoning"])
def test_thoughts_are_text_by_any_name(name: str) -> None:
    text, end, usage = sse(delta(**{name: "one"}), END, USAGE)
    assert at((1.0, text), (3.0, end + usage)).first_s == 1.0


def test_comments_are_no_text() -> None:
    text, end, usage = sse(TEXT, END, USAGE)
    assert at((0.5, b": keepalive 16/32\n\n"), (1.0, text), (3.0, end + usage)).first_s == 1.0


def test_a_line_has_arrived_with_its_last_byte() -> None:
    text, end, usage = sse(TEXT, END, USAGE)
    assert at((1.0, text[:10]), (2.0, text[10:] + end[:-2]), (3.0, end[-2:] + usage)) == Answer(2.0, 3.0, 32, 5)


def test_text_and_end_may_come_in_one_chunk() -> None:
    assert at((2.0, b"".join(sse(delta("length", content="one"), USAGE)))) == Answer(2.0, 2.0, 32, 5)


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([TEXT, {"error": {"message": "the engine died"}}], "the engine died"),
        ([TEXT, USAGE], "ended without"),
        ([TEXT, END], "ended without"),
        ([END, USAGE], "ended without"),
        ([], "ended without"),
    ],
)
def test_half_an_answer_is_none(chunks: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ServerFailedError, match=message):
        at((1.0, b"".join(sse(*chunks))))


async def test_a_refusal_is_told_with_its_status() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(503, text="come back later"))
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(ServerFailedError, match="503: come back later"):
            await ask(client, "http://server", request_body("Hi", 5, {}))
