"""Server-sent events, and how a client's leaving reaches the work that is done for it.

Starlette's own StreamingResponse and BaseHTTPMiddleware notice a disconnect late or never, and wait for ever on a
client that does not read: both keep an engine busy for nobody.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

log = logging.getLogger("vivace.server")

T = TypeVar("T")

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx holds streams back without it
]


async def unless_disconnected(receive: Receive, work: Awaitable[T]) -> T:
    """The result of `work`, which is cancelled as soon as the client goes away.

    The request's body must have been read completely.

    Raises:
        ClientDisconnect: the client went away first; `work` has ended by then.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        await _end(task, gone)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(*tasks: "asyncio.Future[Any]") -> None:
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


class EventStream(Response):
    """Sends `first`, then `chunks` as they come. Always closes `chunks`, which is what cancels the work behind it.

    A send that makes no progress for `send_timeout_s` seconds means a client that has stopped reading: its connection
    is dropped, because nothing that is still buffered for it could be flushed.
    """

    def __init__(self, first: bytes, chunks: AsyncGenerator[bytes, None], send_timeout_s: float) -> None:
        self.status_code = 200
        self.raw_headers = list(HEADERS)
        self.background = None
        self.first = first
        self.chunks = chunks
        self.send_timeout_s = send_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await unless_disconnected(receive, self._send_all(send))
        except TimeoutError:
            log.warning("a client read nothing for %g s: dropped", self.send_timeout_s)
            await _drop(scope)
            raise ClientDisconnect from None
        finally:
            await self.chunks.aclose()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await self._send(send, self.first)
        async for chunk in self.chunks:
            await self._send(send, chunk)
        await self._send(send, b"", more=False)

    async def _send(self, send: Send, chunk: bytes, *, more: bool = True) -> None:
        async with asyncio.timeout(self.send_timeout_s):
            await send({"type": "http.response.body", "body": chunk, "more_body": more})


async def _drop(scope: Scope) -> None:
    abort = scope["state"].get("abort")  # from run.py's protocol; other servers close the connection in their own way
    if abort is not None:
        abort()
        await asyncio.sleep(0)  # until the protocol has noticed
