"""One client for every server: chat completions over HTTP as server-sent events, timed as a user sees them.

It shares the machine with the servers, so while an answer streams it only notes what arrives, and reads it afterwards.
An HTTP library takes half as much processor time again for each token: 0.67 ms against 0.45 ms.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import h11

_PATH = "/v1/chat/completions"
_PIECE = 1 << 16  # bytes read at once

Piece = tuple[float, bytes]  # seconds since the request was sent, and what arrived then


class ServerFailedError(Exception):
    """The server answered with an error, broke off, or ended without saying how many tokens it made."""


@dataclass(frozen=True)
class Answer:
    """What one client saw; seconds count from the moment the request was sent.

    Attributes:
        first_s: until the first piece of text.
        end_s: until the chunk that says why the answer ended.
        prompt_tokens, tokens: as the server counts them.
        engine: Vivace's own `timings`, if the server sent any.
    """

    first_s: float
    end_s: float
    prompt_tokens: int
    tokens: int
    engine: dict[str, float] | None = None

    @property
    def token_s(self) -> float:
        """Seconds per token after the first."""
        return (self.end_s - self.first_s) / (self.tokens - 1)


def request_body(prompt: str, tokens: int, logit_bias: dict[int, float]) -> dict[str, Any]:
    """Greedy, streamed, of the one model that the server serves."""
    return {
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "temperature": 0,
        "logit_bias": {str(token): bias for token, bias in logit_bias.items()},
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def ask(url: str, body: dict[str, Any]) -> Answer:
    """Stream one answer over a connection of its own.

    Raises:
        ServerFailedError: there is no complete answer.
    """
    target = urlsplit(url)
    began = time.perf_counter()
    pieces: list[Piece] = []
    try:
        reader, writer = await asyncio.open_connection(target.hostname, target.port)
        with contextlib.closing(writer):
            writer.write(_request(target.netloc, json.dumps(body).encode()))
            while data := await reader.read(_PIECE):
                pieces.append((time.perf_counter() - began, data))
    except OSError as error:
        raise ServerFailedError(f"{type(error).__name__}: {error}") from error
    return read(list(bodies_of(pieces)))


async def ask_all(url: str, bodies: list[dict[str, Any]], limit_s: float) -> list[Answer]:
    """All at the same time.

    Raises:
        TimeoutError: they were not all answered within the limit.
        ServerFailedError: one has no complete answer.
    """
    async with asyncio.timeout(limit_s):
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ask(url, body)) for body in bodies]
        except* ServerFailedError as failed:
            raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def _request(host: str, body: bytes) -> bytes:
    """`Connection: close`, so that the stream ends with the connection, whichever HTTP version the server speaks."""
    head = f"POST {_PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def bodies_of(pieces: list[Piece]) -> Iterator[Piece]:
    """The same without HTTP's heads and chunk sizes.

    Raises:
        ServerFailedError: the status is not 200, or this is no HTTP.
    """
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target=_PATH, headers=[("Host", "server"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    refused = b""
    try:
        for at_s, data in [*pieces, (0.0, b"")]:  # nothing: the connection's end
            connection.receive_data(data)
            for event in _events(connection):
                if isinstance(event, h11.Response) and event.status_code != 200:
                    refused = b"%d: " % event.status_code
                elif isinstance(event, h11.Data) and refused:
                    refused += event.data
                elif isinstance(event, h11.Data):
                    yield at_s, bytes(event.data)
    except h11.RemoteProtocolError as error:
        raise ServerFailedError(f"broke off: {error}") from error
    if refused:
        raise ServerFailedError(refused.decode(errors="replace")[:200])


def _events(connection: h11.Connection) -> Iterator[Any]:
    while True:
        event = connection.next_event()
        if event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
            return
        yield event


def read(pieces: list[Piece]) -> Answer:
    """The answer that arrived in these pieces.

    Raises:
        ServerFailedError: it is an error, or not complete.
    """
    first_s = end_s = usage = engine = None
    for at_s, chunk in _chunks(pieces):
        if "error" in chunk:
            raise ServerFailedError(str(chunk["error"])[:200])
        usage, engine = chunk.get("usage") or usage, chunk.get("timings") or engine
        for choice in chunk["choices"]:
            if first_s is None and _says_something(choice["delta"]):
                first_s = at_s
            if choice.get("finish_reason"):
                end_s = at_s
    if first_s is None or end_s is None or usage is None:
        raise ServerFailedError("the stream ended without text, finish_reason or usage")
    return Answer(first_s, end_s, usage["prompt_tokens"], usage["completion_tokens"], engine)


def _chunks(pieces: list[Piece]) -> Iterator[tuple[float, dict[str, Any]]]:
    """Each JSON object of the stream, and when the end of its line arrived."""
    left = b""
    for at_s, data in pieces:
        *lines, left = (left + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                yield at_s, json.loads(line.removeprefix(b"data: "))


def _says_something(delta: dict[str, Any]) -> bool:
    """Text or thoughts; servers name thoughts differently."""
    return any(delta.get(name) for name in ("content", "reasoning_content", "reasoning"))
