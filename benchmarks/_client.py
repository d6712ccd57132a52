"""One client for every server: chat completions over HTTP as server-sent events, timed as a user sees them."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx


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
    """Stream one answer.

    Raises:
        ServerFailedError: there is no complete answer.
    """
    watch = _Watch()
    try:
        async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
            if response.status_code != 200:
                raise ServerFailedError(f"{response.status_code}: {(await response.aread()).decode()[:200]}")
            async for line in response.aiter_lines():
                watch.line(line)
    except httpx.HTTPError as error:
        raise ServerFailedError(f"{type(error).__name__}: {error}") from error
    return watch.answer()


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


class _Watch:
    """Notes the times of what matters among the lines of a stream."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._first_s: float | None = None
        self._end_s: float | None = None
        self._usage: dict[str, int] | None = None
        self._engine: dict[str, float] | None = None

    def line(self, line: str) -> None:
        if not line.startswith("data: ") or line == "data: [DONE]":
            return
        now_s = time.perf_counter() - self._began
        chunk = json.loads(line.removeprefix("data: "))
        if "error" in chunk:
            raise ServerFailedError(str(chunk["error"])[:200])
        self._usage = chunk.get("usage") or self._usage
        self._engine = chunk.get("timings") or self._engine
        for choice in chunk["choices"]:
            if self._first_s is None and _says_something(choice["delta"]):
                self._first_s = now_s
            if choice.get("finish_reason"):
                self._end_s = now_s

    def answer(self) -> Answer:
        if self._first_s is None or self._end_s is None or self._usage is None:
            raise ServerFailedError("the stream ended without text, finish_reason or usage")
        prompt_tokens, tokens = self._usage["prompt_tokens"], self._usage["completion_tokens"]
        return Answer(self._first_s, self._end_s, prompt_tokens, tokens, self._engine)


def _says_something(delta: dict[str, Any]) -> bool:
    """Text or thoughts; servers name thoughts differently."""
    return any(delta.get(name) for name in ("content", "reasoning_content", "reasoning"))
