"""The gateway's end of one engine's socket: many requests over one stream, each with its own inbox.

One message costs one dictionary look-up and one append; no task and no timer exists per token or per request.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import AsyncGenerator, Callable
from itertools import groupby
from typing import TypeVar, cast

from vivace.errors import VivaceError
from vivace.protocol import (
    CacheAnswer,
    CacheCleared,
    CacheExplanation,
    CacheMatch,
    CacheQuery,
    CacheStats,
    Cancel,
    Drain,
    Failed,
    Finished,
    FrameReader,
    FromEngine,
    Generate,
    Load,
    LoadFailed,
    Loading,
    Ping,
    Pong,
    Progress,
    ProtocolError,
    Ready,
    ToEngine,
    Tokens,
    encode,
    from_engine_decoder,
)

logger = logging.getLogger("vivace.fleet")

Answer = Progress | Tokens | Finished | Failed
Asked = TypeVar("Asked", CacheStats, CacheCleared, CacheExplanation)
Lifecycle = Loading | Ready | LoadFailed

ASK_S = 60.0  # for an answer about the cache; clearing a disk takes the engine up to half of it
MAX_UNSENT = 64 * 1024 * 1024  # bytes that the engine has not read yet; beyond it, it is not keeping up

DIED = "The engine died while it worked on this request and is being restarted: try again."

SHUTTING_DOWN = "The server is shutting down."


class EngineClient(asyncio.Protocol):
    """The requests of one engine, over a socket given to `attach`. Used from the event loop's thread only.

    Attributes:
        closed: set once the engine's end is gone (or `close` was called).
        last_pong: the engine's latest answer to `ping`.
        heard: counts everything that arrived, so that silence can be noticed.
    """

    def __init__(self, on_lifecycle: Callable[[Lifecycle], None]) -> None:
        self.closed = asyncio.Event()
        self.last_pong: Pong | None = None
        self.heard = 0
        self._on_lifecycle = on_lifecycle
        self._reader: FrameReader[FromEngine] = FrameReader(from_engine_decoder)
        self._inboxes: dict[str, _Inbox] = {}
        self._questions: dict[str, asyncio.Future[CacheAnswer]] = {}
        self._transport: asyncio.Transport | None = None
        self._end_message = DIED
        self._nonce = 0

    async def attach(self, sock: socket.socket) -> None:
        """Take over one end of a connected Unix stream socket."""
        sock.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=sock)

    @property
    def open_requests(self) -> int:
        return len(self._inboxes)

    async def generate(self, request: Generate) -> AsyncGenerator[Answer, None]:
        """Run one request. The last message is Finished or Failed; closing the iterator before it cancels.

        Token messages that queued up while nobody was reading arrive as one.

        Raises:
            ValueError: a request with this id is open.
        """
        refusal = self._refusal(request)
        if refusal:
            yield refusal
            return
        inbox = self._inboxes[request.id] = _Inbox()
        self._send(request)
        try:
            while True:
                for message in await inbox.take():
                    yield message
                    if isinstance(message, Finished | Failed):
                        return
        finally:
            if self._inboxes.get(request.id) is inbox:  # the engine has not ended it
                del self._inboxes[request.id]
                self._send(Cancel(request.id))

    async def ask(self, query: CacheQuery | CacheMatch, kind: type[Asked], timeout_s: float = ASK_S) -> Asked:
        """What the engine answers about its prefix cache, of the kind that belongs to the query.

        Raises:
            VivaceError: it does not know what was asked for, or it is gone, or does not answer in time.
        """
        if self.closed.is_set() or self._transport is None:
            raise VivaceError("engine_failed", self._end_message)
        question = self._questions[query.id] = asyncio.get_running_loop().create_future()
        self._send(query)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await question
        except TimeoutError:
            message = f"The engine did not answer within {timeout_s:g} s: it is busy with a long step. Try again later."
            raise VivaceError("overloaded", message) from None
        finally:
            self._questions.pop(query.id, None)
        assert isinstance(answer, kind)
        return answer

    def load(self, message: Load) -> None:
        """Send the first message of a connection; what follows arrives through `on_lifecycle`."""
        self._send(message)

    def ping(self) -> None:
        self._nonce += 1
        self._send(Ping(self._nonce))

    def drain(self) -> None:
        """Ask the engine to finish what runs and to end; what does not finish fails with SHUTTING_DOWN."""
        self._end_message = SHUTTING_DOWN
        self._send(Drain())

    def close(self, message: str | None = None) -> None:
        """Fail all open requests, with `message` or as those of an engine that died, and give up the connection."""
        self._end_message = message or self._end_message
        self._end()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.heard += 1
        try:
            messages = self._reader.feed(data)
        except ProtocolError as error:
            logger.error("an engine sent what is no message: %s", error)
            self.close(f"The engine sent what is no message ({error}) and is being restarted: try again.")
            return
        for message in messages:
            self._dispatch(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _dispatch(self, message: FromEngine) -> None:
        if isinstance(message, Tokens | Progress):
            inbox = self._inboxes.get(message.id)
        elif isinstance(message, Finished | Failed):
            inbox = self._inboxes.pop(message.id, None)
            if isinstance(message, Failed):
                self._settle(message)
        elif isinstance(message, CacheStats | CacheCleared | CacheExplanation):
            self._settle(message)
            return
        elif isinstance(message, Pong):
            self.last_pong = message
            return
        else:
            self._on_lifecycle(message)
            return
        if inbox is not None:  # else it was cancelled while this was on its way
            inbox.put(message)

    def _settle(self, answer: CacheAnswer | Failed) -> None:
        question = self._questions.pop(answer.id, None)
        if question is None or question.done():  # whoever asked is gone
            return
        if isinstance(answer, Failed):
            question.set_exception(VivaceError(answer.kind, answer.message))
        else:
            question.set_result(answer)

    def _refusal(self, request: Generate) -> Failed | None:
        if request.id in self._inboxes:
            raise ValueError(f"a request with the id {request.id!r} is open")
        if self.closed.is_set() or self._transport is None:
            return Failed(request.id, "engine_failed", self._end_message)
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            return Failed(request.id, "overloaded", "The engine does not keep up with the requests: try again later.")
        return None

    def _send(self, message: ToEngine) -> None:
        if self._transport is not None and not self.closed.is_set():
            self._transport.write(encode(message))

    def _end(self) -> None:
        self.closed.set()
        inboxes, self._inboxes = self._inboxes, {}
        for request_id, inbox in inboxes.items():
            inbox.put(Failed(request_id, "engine_failed", self._end_message))
        questions, self._questions = self._questions, {}
        for question in questions.values():
            if not question.done():
                question.set_exception(VivaceError("engine_failed", self._end_message))


class _Inbox:
    """The messages of one request that its reader has not taken yet."""

    __slots__ = ("_messages", "_waiter")

    def __init__(self) -> None:
        self._messages: deque[Answer] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def put(self, message: Answer) -> None:
        self._messages.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self) -> list[Answer]:
        """Everything that is there, at least one message."""
        if not self._messages:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        messages = list(self._messages)
        self._messages.clear()
        return messages if len(messages) == 1 else _merged(messages)


def _merged(messages: list[Answer]) -> list[Answer]:
    """The same answers with neighbouring Tokens joined, and of neighbouring Progress the last."""
    merged: list[Answer] = []
    for kind, group in groupby(messages, type):
        run = list(group)
        if kind is Tokens:
            merged.append(_joined(cast(list[Tokens], run)))
        else:
            merged.extend(run[-1:] if kind is Progress else run)
    return merged


def _joined(run: list[Tokens]) -> Tokens:
    ids = [token for message in run for token in message.ids]
    if run[0].logprobs is None:
        return Tokens(run[0].id, ids)
    return Tokens(run[0].id, ids, [entry for message in run for entry in message.logprobs or []])
