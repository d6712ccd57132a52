"""A gateway over an engine that follows a script: real HTTP and the embedded model's real text, no model runtime."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, cast

import httpx

from vivace.assets import embedded_model_path
from vivace.chat.checkpoint import ChatModel
from vivace.errors import VivaceError
from vivace.fleet import EngineClient, Fleet, ModelCard, Resident
from vivace.protocol import CacheMatch, CacheQuery, Failed, Finished, Generate, Progress, Timings, TokenLogprob, Tokens
from vivace.server.app import create_app
from vivace.server.run import bind, server_for, url
from vivace.settings import Settings

Answer = Progress | Tokens | Finished | Failed
Script = Callable[[Generate], AsyncIterator[Answer]]
CONTEXT = 512
HELLO = {"messages": [{"role": "user", "content": "Hello"}], "enable_thinking": False}


@cache
def chat_model() -> ChatModel:
    return ChatModel.load(embedded_model_path())


def ids_of(text: str) -> list[int]:
    return list(chat_model().tokenizer.encode(text, add_special_tokens=False).ids)


def says(text: str, pause_s: float = 0.0, prefill: Iterable[int] = ()) -> Script:
    """Every token of `text` in a message of its own, `pause_s` apart, then a stop; ends early at max_tokens."""

    async def script(request: Generate) -> AsyncIterator[Answer]:
        total = len(request.prompt)
        for done in (*prefill, total):
            yield Progress(request.id, done, total, cached=3)
        ids = ids_of(text)
        taken = ids[: request.max_tokens]
        for token in taken:
            await asyncio.sleep(pause_s)
            yield Tokens(request.id, [token], _logprobs(request, token))
        cut = len(taken) < len(ids) or len(ids) == request.max_tokens
        count = len(taken) + (not cut)
        yield Finished(request.id, "length" if cut else "stop", total, 3, count, Timings(0.01, 0.02, 0.04))

    return script


def _logprobs(request: Generate, token: int) -> list[TokenLogprob] | None:
    top = request.sampling.top_logprobs
    return None if top is None else [TokenLogprob(token, -0.25, [(token + i, -0.25 - i) for i in range(top)])]


def says_at_once(text: str) -> Script:
    """All tokens of `text` in one message, as they come to a gateway that was busy."""

    async def script(request: Generate) -> AsyncIterator[Answer]:
        ids = ids_of(text)
        yield Tokens(request.id, ids)
        yield Finished(request.id, "stop", len(request.prompt), 0, len(ids) + 1, Timings(0.01, 0.02, 0.04))

    return script


def hangs(after: str = "") -> Script:
    """Says `after` and then nothing, in prefill if it is empty."""

    async def script(request: Generate) -> AsyncIterator[Answer]:
        for token in ids_of(after):
            yield Tokens(request.id, [token])
        await asyncio.Event().wait()
        yield Failed(request.id, "engine_failed", "unreachable")

    return script


def fails(kind: Any, message: str, after: str = "") -> Script:
    async def script(request: Generate) -> AsyncIterator[Answer]:
        for token in ids_of(after):
            yield Tokens(request.id, [token])
        yield Failed(request.id, kind, message)

    return script


class ScriptedEngine:
    """`requests`: all that came. `running`: ids of those that go on. `cancelled`: closed before their end.

    `asked`: what came about the cache; `answers`: what to say to it, by kind.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[CacheQuery | CacheMatch] = []
        self.answers: dict[type, Any] = {}
        self.requests: list[Generate] = []
        self.running: set[str] = set()
        self.cancelled: list[str] = []

    async def generate(self, request: Generate) -> AsyncIterator[Answer]:
        self.requests.append(request)
        self.running.add(request.id)
        ended = False
        try:
            async for message in self.script(request):
                ended = isinstance(message, Finished | Failed)
                yield message
        finally:
            self.running.discard(request.id)
            if not ended:
                self.cancelled.append(request.id)

    async def ask(self, query: CacheQuery | CacheMatch, kind: type) -> Any:
        self.asked.append(query)
        if kind not in self.answers:
            raise VivaceError("not_found", "nothing is known of this request")
        return self.answers[kind]


class ScriptedFleet:
    """One model, "vivace-mini", which is resident unless `state` says otherwise."""

    def __init__(self, script: Script) -> None:
        self.engine = ScriptedEngine(script)
        self.state: Any = "ready"
        self.waiting = 0  # requests that wait for the model
        self.stopped_with: float | None = None

    async def start(self) -> None:
        pass

    async def stop(self, drain_s: float) -> None:
        self.stopped_with = drain_s

    def kill(self) -> None:
        pass

    def cards(self) -> list[ModelCard]:
        return [ModelCard("vivace-mini", 1_700_000_000, CONTEXT, self.state, 0.5, "", ("default",))]

    async def resident(self, name: str) -> Resident:
        if name not in ("vivace-mini", "default"):
            message = f"There is no model {name!r}. There is: vivace-mini."
            raise VivaceError("not_found", message, param="model", code="model_not_found")
        self.waiting += 1
        try:
            if self.state == "loading":
                await asyncio.Event().wait()
        finally:
            self.waiting -= 1
        engine = cast(EngineClient, self.engine)
        return Resident("vivace-mini", chat_model(), engine, CONTEXT, self.cards()[0])


class Gateway:
    """A running server. `client` talks to it; `engine` is what it talks to."""

    def __init__(self, fleet: ScriptedFleet, base: str, client: httpx.AsyncClient) -> None:
        self.fleet = fleet
        self.engine = fleet.engine
        self.base = base
        self.client = client

    async def chat(self, **fields: Any) -> httpx.Response:
        return await self.client.post("/v1/chat/completions", json={**HELLO, **fields})

    async def stream(self, **fields: Any) -> list[str]:
        """The blocks of a streamed answer, without their empty lines."""
        response = await self.chat(stream=True, **fields)
        assert response.status_code == 200, response.text
        return response.text.removesuffix("\n\n").split("\n\n")


@asynccontextmanager
async def gateway(script: Script, **settings: Any) -> AsyncGenerator[Gateway, None]:
    """A server on a free port, with uvicorn as `vivace serve` runs it."""
    given = Settings(port=0, **settings)
    fleet = ScriptedFleet(script)
    with bind(given.host, given.port) as sock:
        server = server_for(create_app(given, cast(Fleet, fleet)), given)
        running = asyncio.create_task(server.serve([sock]))
        base = url(sock)
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=base, timeout=20, limits=limits, trust_env=False) as client:
            try:
                yield Gateway(fleet, base, client)
            finally:
                server.should_exit = True
                await running


async def until(condition: Callable[[], bool], within_s: float = 2.0) -> float:
    """Waits for it; the seconds that took."""
    began = time.perf_counter()
    while not condition():
        assert time.perf_counter() - began < within_s, "the condition did not come true in time"
        await asyncio.sleep(0.002)
    return time.perf_counter() - began


def data(blocks: list[str]) -> list[Any]:
    """The parsed data of a stream up to [DONE]; comments are left out."""
    lines = [block.removeprefix("data: ") for block in blocks if not block.startswith(":")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def joined(chunks: list[Any], field: str, index: int = 0) -> str:
    choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get(field, "") for choice in choices)
