"""Clients that leave, at every stage, and clients that stop reading: the work for them ends promptly."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.server.scripted import HELLO, Answer, Gateway, Script, gateway, hangs, ids_of, says, until
from vivace.protocol import Generate, Progress, Tokens


@pytest.fixture(autouse=True)
def nothing_goes_wrong(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A client that leaves is no error: none is logged, here or in uvicorn."""
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors


class RawClient:
    """One HTTP request over a plain socket, which can be closed at any moment."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, server: Gateway, receive_buffer: int = 0) -> "RawClient":
        host, port = server.base.removeprefix("http://").split(":")
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
        return cls(*await asyncio.open_connection(sock=sock, limit=1024))

    async def post(self, body: bytes, length: int | None = None) -> None:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {length or len(body)}\r\n\r\n"
        await self.send(head.encode() + body)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def leave(self) -> None:
        self._writer.transport.abort()


def chat_body(**fields: Any) -> bytes:
    return json.dumps({**HELLO, **fields}).encode()


def prefills(pause_s: float = 0.005) -> Script:
    """Makes progress for ever and never says a word."""

    async def script(request: Generate) -> AsyncIterator[Answer]:
        for done in range(10**9):
            yield Progress(request.id, done, 10**9)
            await asyncio.sleep(pause_s)

    return script


STAGES: list[tuple[str, Script]] = [
    ("queued", hangs()),
    ("in prefill", prefills()),
    ("silent after some text", hangs(after="one two")),
    ("generating", says("word " * 300, pause_s=0.01)),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("stage", "script"), STAGES, ids=[stage for stage, _ in STAGES])
@pytest.mark.parametrize("n", [1, 3])
async def test_leaving_cancels_the_engines_work(stage: str, script: Script, stream: bool, n: int) -> None:
    async with gateway(script) as server:
        client = await RawClient.connect(server)
        await client.post(chat_body(stream=stream, n=n))
        await until(lambda: len(server.engine.running) == n)
        await asyncio.sleep(0.02)
        client.leave()
        assert await until(lambda: not server.engine.running) < 0.5
        assert len(server.engine.cancelled) == n


async def test_leaving_before_the_body_is_complete_reaches_no_engine() -> None:
    async with gateway(says("Hi")) as server:
        client = await RawClient.connect(server)
        await client.post(chat_body()[:20], length=1000)
        await asyncio.sleep(0.05)
        client.leave()
        await asyncio.sleep(0.05)
        assert not server.engine.requests
        assert (await server.chat()).status_code == 200


async def test_leaving_while_the_model_loads_ends_the_wait() -> None:
    async with gateway(says("Hi")) as server:
        server.fleet.state = "loading"
        client = await RawClient.connect(server)
        await client.post(chat_body())
        await until(lambda: server.fleet.waiting == 1)
        client.leave()
        assert await until(lambda: server.fleet.waiting == 0) < 0.5
        assert not server.engine.requests


async def test_a_body_that_stops_arriving_is_refused() -> None:
    async with gateway(says("Hi"), send_timeout_s=0.1) as server:
        client = await RawClient.connect(server)
        await client.post(b'{"messages": ', length=1000)
        reply = await asyncio.wait_for(client.reader.readuntil(b"\r\n"), 2)
        assert b"400" in reply
        client.leave()


@pytest.mark.parametrize("path", ["/", "/v1/chat/completions"])
@pytest.mark.parametrize("pause_s", [0, 0.05], ids=["at once", "behind the reply"])
async def test_a_body_that_is_no_http_ends_the_connection(path: str, pause_s: float) -> None:
    async with gateway(says("Hi")) as server:
        client = await RawClient.connect(server)
        await client.send(f"POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        await asyncio.sleep(pause_s)
        await client.send(b"no chunk\r\n")
        reply = await asyncio.wait_for(client.reader.read(), 2)
        assert reply.startswith(b"HTTP/1.1 4")
        assert (await server.chat()).status_code == 200


def floods() -> Script:
    """As much text as the other side takes."""

    async def script(request: Generate) -> AsyncIterator[Answer]:
        ids = ids_of("word " * 2000)
        while True:
            yield Tokens(request.id, ids)
            await asyncio.sleep(0)

    return script


@pytest.mark.parametrize("said", [b"", b"GET /health HTTP/1.1\r\nhost: x\r\n"])
async def test_a_client_that_never_asks_is_dropped_and_one_that_does_is_not(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vivace.server.run.KEEP_ALIVE_S", 0.3)
    async with gateway(says("Hi", pause_s=0.4)) as server:
        silent = await RawClient.connect(server)
        await silent.send(said)
        answered = await server.chat()
        assert await asyncio.wait_for(silent.reader.read(), 2) == b""
        assert answered.json()["choices"][0]["message"]["content"] == "Hi"


async def test_a_client_that_stops_reading_is_dropped() -> None:
    async with gateway(floods(), send_timeout_s=0.3) as server:
        client = await RawClient.connect(server, receive_buffer=4096)
        await client.post(chat_body(stream=True))
        assert b"200" in await client.reader.readuntil(b"\r\n")
        await until(lambda: bool(server.engine.cancelled), within_s=10)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await _read_to_end(client.reader)


async def _read_to_end(reader: asyncio.StreamReader) -> None:
    """Raises if the connection was reset, or closed before the last chunk."""
    while not (line := await reader.readline()).startswith(b"0\r\n"):
        if not line:
            raise asyncio.IncompleteReadError(b"", None)


async def test_clients_that_come_and_go_leave_nothing_running() -> None:
    async with gateway(says("word " * 100, pause_s=0.005)) as server:
        stages: list[Callable[[], bytes]] = [lambda: chat_body(stream=True), chat_body]
        clients = [await RawClient.connect(server) for _ in range(40)]
        for at, client in enumerate(clients):
            await client.post(stages[at % 2]())
        await until(lambda: len(server.engine.running) == 40)
        for client in clients:
            client.leave()
        await until(lambda: not server.engine.running)
        assert len(server.engine.cancelled) == 40
        assert (await server.chat(max_tokens=1)).status_code == 200
