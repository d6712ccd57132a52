"""The engine process: one socket to the gateway, a thread that reads it, and the loop on the main thread.

When the socket closes the gateway is gone, however it went, and so is this process.
"""

import logging
import os
import select
import socket
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil

from vivace.engine.environment import import_mlx_lm, prepare_environment
from vivace.engine.outbox import Outbox
from vivace.protocol import (
    FrameReader,
    Load,
    LoadFailed,
    Loading,
    Ping,
    Pong,
    ProtocolError,
    ToEngine,
    to_engine_decoder,
)

if TYPE_CHECKING:
    from vivace.engine.loop import Loop

log = logging.getLogger("vivace.engine")
PIECE = 1 << 18  # bytes read at once


class Reader:
    """Reads the gateway's messages, whether the socket blocks or not; the first one is the Load."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._readable = select.poll()
        self._readable.register(connection, select.POLLIN)
        self._frames = FrameReader(to_engine_decoder)
        self._unhandled: list[ToEngine] = []

    def first(self) -> Load:
        """Wait for the Load message; the process ends when the gateway goes away before."""
        while not self._unhandled:
            self._unhandled = self._receive()
        message = self._unhandled.pop(0)
        if not isinstance(message, Load):
            sys.exit(f"expected a load message, got {type(message).__name__}")
        return message

    def start(self, handle: Callable[[ToEngine], None]) -> None:
        """Hand every further message to `handle`, on a thread of its own."""
        threading.Thread(target=self._run, args=(handle,), name="reader", daemon=True).start()

    def _run(self, handle: Callable[[ToEngine], None]) -> None:
        while True:
            for message in self._unhandled:
                handle(message)
            self._unhandled = self._receive()

    def _receive(self) -> list[ToEngine]:
        self._readable.poll()
        try:
            data = self._socket.recv(PIECE)
            if data:
                return self._frames.feed(data)
        except (OSError, ProtocolError) as error:
            log.error("connection to the gateway lost: %s", error)
        os._exit(0)


class Switch:
    """Answers pings at any time and passes the rest on to the loop, once there is one."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._lock = threading.Lock()
        self._early: list[ToEngine] = []
        self._loop: Loop | None = None

    def connect(self, loop: "Loop") -> None:
        with self._lock:
            self._loop = loop
            for message in self._early:
                self._pass_on(loop, message)
            self._early.clear()

    def handle(self, message: ToEngine) -> None:
        if isinstance(message, Ping):
            self._outbox.send([self._pong(message)])
            return
        with self._lock:
            if self._loop is None:
                self._early.append(message)
            else:
                self._pass_on(self._loop, message)

    def _pass_on(self, loop: "Loop", message: ToEngine) -> None:
        if isinstance(message, Load | Ping):
            log.warning("unexpected %s", type(message).__name__)
        else:
            loop.submit(message)

    def _pong(self, ping: Ping) -> Pong:
        loop = self._loop
        if loop is None:
            return Pong(ping.nonce, 0, False, 0, 0, _memory_bytes())
        return Pong(ping.nonce, loop.steps, loop.busy, len(loop.rows), len(loop.waiting), _memory_bytes())


def _memory_bytes() -> int:
    """Resident memory of this process."""
    return int(psutil.Process().memory_info().rss)


def main(fd: int) -> None:
    """Serve one model over the connected socket `fd` until drained or abandoned."""
    connection = socket.socket(fileno=fd)
    reader, outbox = Reader(connection), Outbox(connection)
    load = reader.first()
    logging.basicConfig(
        level=load.log_level.upper(), format="%(asctime)s %(levelname).1s engine: %(message)s", datefmt="%H:%M:%S"
    )
    switch = Switch(outbox)
    reader.start(switch.handle)
    outbox.send([Loading(0.0, "importing mlx")])
    prepare_environment()
    import_mlx_lm()
    from vivace.engine.build import LoadError, build  # late: the reader has to watch while this takes seconds

    try:
        loop, ready = build(load, outbox.send)
    except LoadError as error:
        log.error("%s", error)
        outbox.send([LoadFailed(str(error))])
        outbox.flush(5.0)
        return
    switch.connect(loop)
    outbox.send([ready])
    loop.run()
    outbox.flush(5.0)
