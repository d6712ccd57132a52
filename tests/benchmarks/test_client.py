"""What the benchmark's client makes of a stream, however it arrives in pieces."""

import asyncio
import json
from typing import Any

import pytest

from benchmarks._client import Answer, ServerFailedError, ask_all, bodies_of, read, request_body


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


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OLD_HEAD = b"HTTP/1.0 200 OK\r\n\r\n"


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize("head", [HEAD, b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD])
def test_chunks_keep_the_time_of_their_arrival(head: bytes) -> None:
    pieces = [(0.5, head), (1.0, chunked(b"one")), (2.0, chunked(b"two") + chunked(b""))]
    assert list(bodies_of(pieces)) == [(1.0, b"one"), (2.0, b"two")]


def test_a_body_may_end_with_its_connection() -> None:
    assert list(bodies_of([(0.5, OLD_HEAD), (1.0, b"one"), (2.0, b"two")])) == [(1.0, b"one"), (2.0, b"two")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 15\r\n\r\ncome back later", "503: come back later"),
        (HEAD + b"5\r\non", "broke off"),
        (b"no HTTP\r\n\r\n", "broke off"),
    ],
)
def test_what_is_no_reply_is_told(data: bytes, message: str) -> None:
    with pytest.raises(ServerFailedError, match=message):
        list(bodies_of([(1.0, data)]))


async def test_an_answer_over_a_real_connection() -> None:
    body = request_body("Hi", 5, {7: 100.0})

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
        received.append(json.loads(await reader.readexactly(int(length.split()[1]))))
        writer.write(OLD_HEAD + b"".join(sse(TEXT, END, USAGE)))
        await writer.drain()
        writer.close()

    received: list[Any] = []
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answers = await ask_all(f"http://127.0.0.1:{port}", [body, body], 10.0)
    assert [answer.tokens for answer in answers] == [5, 5]
    assert received == [body, body]


async def test_nobody_there_is_a_failure() -> None:
    with pytest.raises(ServerFailedError, match="ConnectionRefusedError"):
        await ask_all("http://127.0.0.1:1", [request_body("Hi", 5, {})], 10.0)


async def test_silence_is_a_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError):
            await ask_all(f"http://127.0.0.1:{port}", [request_body("Hi", 5, {})], 0.1)
