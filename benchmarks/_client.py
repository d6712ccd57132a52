"""One client for every server: chat completions over HTTP as server-sent events, timed as a user sees them."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

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


async def ask(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> Answer:
    """Stream one answer. What arrives is only noted while it does: reading it would take time from the server.

    Raises:
        ServerFailedError: there is no complete answer.
    """
    began = time.perf_counter()
    pieces: list[Piece] = []
    try:
        async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
            if response.status_code != 200:
                raise ServerFailedError(f"{response.status_code}: {(await response.aread()).decode()[:200]}")
            async for data in response.aiter_raw():
                pieces.append((time.perf_counter() - began, data))
    except httpx.HTTPError as error:
        raise ServerFailedError(f"{type(error).__name__}: {error}") from error
    return read(pieces)


async def ask_all(url: str, bodies: list[dict[str, Any]], limit_s: float) -> list[Answer]:
    """All at the same time.

    Raises:
        TimeoutError: they were not all answered within the limit.
        ServerFailedError: one has no complete answer.
    """
    limits = httpx.Limits(max_connections=len(bodies))
    # trust_env=False: no proxy between the client and this machine
    async with asyncio.timeout(limit_s), httpx.AsyncClient(timeout=None, limits=limits, trust_env=False) as client:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ask(client, url, body)) for body in bodies]
        except* ServerFailedError as failed:
            raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


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
