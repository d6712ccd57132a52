"""Runs the gateway: one bound socket, one event loop, and an orderly end whatever the signal."""

import asyncio
import contextlib
import errno
import logging
import math
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.auto import AutoHTTPProtocol

import vivace
from vivace.fleet import Fleet
from vivace.server.app import create_app
from vivace.settings import Settings

log = logging.getLogger("vivace.server")

BACKLOG = 2048
OPEN_FILES = 8192  # one for each connection, and in the engine, which inherits the limit, one for each weight file
KEEP_ALIVE_S = 75  # longer than clients keep idle connections, so that they are the ones to close
EXIT_CANNOT_LISTEN = 1
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells say it
GRACE_S = 5.0  # after draining, for replies whose end is still on the way to a client


def announce(address: str) -> None:
    """The line that says where the server is, for people and for scripts that wait for it."""
    print(f"Vivace {vivace.__version__} listens on {address}/v1  (documentation: {address}/docs)", flush=True)


def run(settings: Settings, on_listening: Callable[[str], None] = announce) -> int:
    """Serve until a signal. The process's exit code: 0 after an orderly end, 1 if the address cannot be used.

    SIGTERM and the first SIGINT let running answers finish for `settings.drain_s` seconds; a SIGINT after that ends
    everything at once. `on_listening` gets the URL when requests are answered.
    """
    _log_to_stderr(settings.log_level)
    allow_open_files(OPEN_FILES)
    try:
        sock = bind(settings.host, settings.port)
    except OSError as error:
        print(f"vivace: cannot listen on {settings.host} port {settings.port}: {_reason(error)}", file=sys.stderr)
        return EXIT_CANNOT_LISTEN
    with sock:
        asyncio.run(_serve(settings, sock, on_listening))
    return 0


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname).1s %(message)s", datefmt="%H:%M:%S")


def allow_open_files(wanted: int) -> None:
    """Raise this process's own limit as far as the system lets it: a shell on macOS starts with 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    within = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < within:
        resource.setrlimit(resource.RLIMIT_NOFILE, (within, hard))


def bind(host: str, port: int) -> socket.socket:
    """A bound TCP socket of the host's first usable address; port 0 picks a free one.

    Raises:
        OSError: the name is unknown, the address is not ours, or the port is taken.
    """
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)  # here, not in uvicorn: two servers may bind one port, but only one listens
    except BaseException:
        sock.close()
        raise
    return sock


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the host name is not known."
    return _REASONS.get(error.errno or 0) or f"{error.strerror or error}."


_REASONS = {
    errno.EADDRINUSE: "the port is in use; choose another with --port (0 picks a free one).",
    errno.EADDRNOTAVAIL: "this machine does not have that address.",
    errno.EACCES: "ports below 1024 need more rights; choose another with --port.",
}


def url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """uvicorn's protocol, which also tells the application how to drop the connection, and does not wait for ever for
    a first request."""

    app_state: dict[str, Any]
    cycle: Any
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "abort": transport.abort}
        self._patience = self.loop.call_later(KEEP_ALIVE_S, self._close_unasked)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def _close_unasked(self) -> None:
        if self.cycle is None:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Also where what is no HTTP is the rest of a request under way: its own reply is over, begun or not."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:  # that reply has begun: only the end of the connection can say it
            self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's server with its signals left to us."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()


def server_for(app: FastAPI, settings: Settings, on_started: Callable[[], None] = lambda: None) -> Server:
    """`await server_for(app, settings).serve([sock])` answers requests until its `should_exit` is set."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.drain_s + GRACE_S),
    )
    return Server(config, on_started)


async def _serve(settings: Settings, sock: socket.socket, on_listening: Callable[[str], None]) -> None:
    app, address = create_app(settings), url(sock)
    server = server_for(app, settings, lambda: on_listening(address))
    ending = _Ending(server, app.state.fleet, settings.drain_s)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.signalled, number)
    await server.serve([sock])


class _Ending:
    """From the first signal on: no new connections, and the fleet drains while replies still go out."""

    def __init__(self, server: Server, fleet: Fleet, drain_s: float) -> None:
        self._server = server
        self._fleet = fleet
        self._drain_s = drain_s
        self._stopping: asyncio.Task[None] | None = None

    def signalled(self, number: signal.Signals) -> None:
        if self._stopping is None:
            hint = "; Ctrl-C again ends at once" if number == signal.SIGINT else ""
            log.info("ending: running answers may finish for %g s%s", self._drain_s, hint)
            self._server.should_exit = True
            self._stopping = asyncio.create_task(self._fleet.stop(self._drain_s))
        elif number == signal.SIGINT:
            self._fleet.kill()
            os._exit(EXIT_INTERRUPTED)
