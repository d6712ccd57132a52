"""A small client of the chat API, for the terminal: one question in, pieces of the answer out as they come."""

import json
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from vivace.chat.events import ReasoningDelta, TextDelta
from vivace.cli.errors import CliError
from vivace.settings import Settings

PROBE_S = 1.0
# A server that is loading a model or has a long prompt to read says nothing for a while.
TIMEOUT = httpx.Timeout(600.0, connect=5.0)


@dataclass(frozen=True)
class Done:
    """The end of an answer: `usage` and `timings` as the server sent them."""

    reason: str
    usage: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, Any] = field(default_factory=dict)


Piece = ReasoningDelta | TextDelta | Done


class Client:
    """Speaks to one server. Whatever goes wrong is a CliError."""

    def __init__(self, url: str, api_key: str | None = None, *, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self.url = url.rstrip("/").removesuffix("/v1")
        try:
            httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise CliError(f"{url!r} is no URL: {error}") from None
        # trust_env: a proxy for the world must not stand between this machine and itself.
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=TIMEOUT, trust_env=False, transport=transport
        )

    def close(self) -> None:
        self._http.close()

    def alive(self) -> bool:
        """Whether something answers /health there."""
        try:
            return self._http.get("/health", timeout=PROBE_S).status_code == 200
        except httpx.HTTPError:
            return False

    def states(self) -> list[str]:
        """How each model is: "ready", "failed", or on its way; empty while nothing answers."""
        try:
            reply = self._http.get("/ready", timeout=PROBE_S)
            return [model["state"] for model in reply.json()["models"]]
        except (httpx.HTTPError, ValueError, KeyError):
            return []

    def models(self) -> list[str]:
        """The ids that the server offers, its default first."""
        return [model["id"] for model in self.call("GET", "/v1/models")["data"]]

    def call(self, method: str, path: str, *, body: Any = None, **query: str | None) -> dict[str, Any]:
        """The JSON that a route answers; parts of the query that are None are left out.

        Raises:
            CliError: the server refused, or is gone.
        """
        given = {name: value for name, value in query.items() if value is not None}
        try:
            reply = self._http.request(method, path, params=given, json=body)
        except httpx.HTTPError as error:
            raise self._lost(error) from None
        if reply.status_code != 200:
            raise CliError(_message(reply.status_code, reply.content))
        answer: dict[str, Any] = reply.json()
        return answer

    def answer(self, body: dict[str, Any]) -> Generator[Piece, None, None]:
        """Stream the answer to a chat request. Closing the generator cancels it on the server.

        Raises:
            CliError: the server refused the request, failed within the answer, or is gone.
        """
        request = {**body, "stream": True, "stream_options": {"include_usage": True}}
        try:
            with self._http.stream("POST", "/v1/chat/completions", json=request) as reply:
                if reply.status_code != 200:
                    raise CliError(_message(reply.status_code, reply.read()))
                yield from _pieces(_data(reply.iter_bytes()))
        except httpx.HTTPError as error:
            raise self._lost(error) from None

    def _lost(self, error: httpx.HTTPError) -> CliError:
        return CliError(f"{self.url} does not answer: {str(error) or type(error).__name__}.")


def local_url(settings: Settings) -> str:
    """Where a server with these settings can be reached from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _data(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The JSON of each server-sent event, up to [DONE].

    Lines end at line feeds only: other separators occur inside of text.
    """
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data = line.removeprefix(b"data:").strip()
                if data == b"[DONE]":
                    return
                yield json.loads(data)
    raise CliError("The answer ended before it was complete.")


def _pieces(chunks: Iterator[dict[str, Any]]) -> Iterator[Piece]:
    reason = "stop"
    usage: dict[str, Any] = {}
    timings: dict[str, Any] = {}
    for chunk in chunks:
        if "error" in chunk:
            raise CliError(chunk["error"]["message"])
        usage, timings = chunk.get("usage") or usage, chunk.get("timings") or timings
        for choice in chunk.get("choices", []):
            yield from _deltas(choice.get("delta") or {})
            reason = choice.get("finish_reason") or reason
    yield Done(reason, usage, timings)


def _deltas(delta: dict[str, Any]) -> Iterator[Piece]:
    if delta.get("reasoning_content"):
        yield ReasoningDelta(delta["reasoning_content"])
    if delta.get("content"):
        yield TextDelta(delta["content"])


def _message(status: int, body: bytes) -> str:
    """What an error reply says, in OpenAI's shape or in any other."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered with status {status}: {body[:200].decode('utf-8', 'replace')}"
