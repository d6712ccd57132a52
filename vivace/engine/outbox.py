"""Sending to the gateway without ever making the engine thread wait for it."""

import os
import select
import socket
import threading
from collections import deque
from collections.abc import Sequence

from vivace.protocol import FromEngine, encode


class Outbox:
    """Sends at once while the socket takes it; what it does not take is sent by a thread of its own, in order.

    The socket is made non-blocking: macOS heeds MSG_DONTWAIT in `recv` only, so sending would wait there.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._backlog: deque[bytes] = deque()
        self._changed = threading.Condition()
        threading.Thread(target=self._drain, name="outbox", daemon=True).start()

    def send(self, messages: Sequence[FromEngine]) -> None:
        """From any thread."""
        if not messages:
            return
        data = b"".join(encode(message) for message in messages)
        with self._changed:
            if not self._backlog:
                data = data[self._send_now(data) :]
            if data:
                self._backlog.append(data)
                self._changed.notify_all()

    def flush(self, timeout_s: float) -> None:
        """Wait until everything has been handed to the socket."""
        with self._changed:
            self._changed.wait_for(lambda: not self._backlog, timeout_s)

    def _send_now(self, data: bytes | memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            os._exit(0)  # the gateway is gone

    def _drain(self) -> None:
        writable = select.poll()
        writable.register(self._socket, select.POLLOUT)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._backlog))
                data = memoryview(self._backlog[0])
            while data:
                writable.poll()
                data = data[self._send_now(data) :]
            with self._changed:
                self._backlog.popleft()
                self._changed.notify_all()
