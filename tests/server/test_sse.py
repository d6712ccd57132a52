import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from vivace.server.sse import EventStream, unless_disconnected


class Client:
    """One end of an ASGI exchange. `reads`: how many body messages it takes before it stops reading."""

    def __init__(self, reads: int = 1000) -> None:
        self.left = asyncio.Event()
        self.sent: list[Message] = []
        self._reads = reads

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if len(self.sent) > self._reads:
            await asyncio.Event().wait()
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


class Work:
    """Chunks, and whether their source was closed. `forever`: the source goes on until it is."""

    def __init__(self, forever: bool = False) -> None:
        self.closed = False
        self.forever = forever

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b"b"
            while self.forever:
                await asyncio.sleep(0.001)
                yield b"."
            yield b"c"
        finally:
            self.closed = True


async def test_a_stream_sends_everything_with_headers_against_buffering() -> None:
    client, work = Client(), Work()
    await EventStream(b"a", work.chunks(), 1.0)({"type": "http", "state": {}}, client.receive, client.send)
    assert client.body == b"abc"
    headers = dict(client.sent[0]["headers"])
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"cache-control"] == b"no-cache, no-transform"
    assert headers[b"x-accel-buffering"] == b"no"
    assert [message.get("more_body") for message in client.sent[-2:]] == [True, False]
    assert work.closed


async def test_a_client_that_leaves_ends_the_work() -> None:
    client, work = Client(), Work(forever=True)
    response = EventStream(b"a", work.chunks(), 1.0)
    running = asyncio.create_task(response({"type": "http", "state": {}}, client.receive, client.send))
    await asyncio.sleep(0.02)
    client.left.set()
    with pytest.raises(ClientDisconnect):
        await asyncio.wait_for(running, 1.0)
    assert work.closed
    assert len(client.body) > 2


async def test_a_client_that_reads_nothing_is_dropped() -> None:
    client, work, aborted = Client(reads=3), Work(forever=True), []
    scope = {"type": "http", "state": {"abort": lambda: aborted.append(True)}}
    with pytest.raises(ClientDisconnect):
        await EventStream(b"a", work.chunks(), 0.05)(scope, client.receive, client.send)
    assert work.closed
    assert aborted


async def test_work_is_cancelled_when_the_client_leaves() -> None:
    client, cancelled = Client(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    asyncio.get_running_loop().call_later(0.01, client.left.set)
    with pytest.raises(ClientDisconnect):
        await unless_disconnected(client.receive, work())
    assert cancelled.is_set()


async def test_the_result_and_the_error_of_work_come_through() -> None:
    async def work(fails: bool) -> int:
        if fails:
            raise ValueError("no")
        return 7

    client = Client()
    assert await unless_disconnected(client.receive, work(False)) == 7
    with pytest.raises(ValueError, match="no"):
        await unless_disconnected(client.receive, work(True))
