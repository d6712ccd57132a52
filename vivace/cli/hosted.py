"""A server of our own for one chat: started on a free port, ended with the chat, whatever becomes of it.

The child gets its settings, which may hold a key, through stdin and not through its command line; when that pipe
closes, because the parent closed it or because the parent is gone, the child drains and ends.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from vivace.cli.client import Client
from vivace.cli.errors import CliError
from vivace.settings import Settings

_POLL_S = 0.1
_END_S = 10.0


@contextmanager
def hosted(settings: Settings) -> Iterator[Client]:
    """A client of a server that has the model of `settings` resident, or has given up on it and will say why.

    Raises:
        CliError: the server ended or did not get the model ready in time; the message has its last words.
    """
    own = settings.model_copy(
        update={"host": "127.0.0.1", "port": _free_port(), "drain_s": 0.0, "log_level": "warning", "api_key": []}
    )
    client = Client(f"http://127.0.0.1:{own.port}")
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        server = _start(own, log)
        try:
            _wait_until_ready(client, server, log, settings.load_timeout_s)
            yield client
        finally:
            client.close()
            _end(server)


def _start(settings: Settings, log: IO[str]) -> "subprocess.Popen[str]":
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "vivace.cli.hosted"],  # -P: no module of the user's folder
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        text=True,
        start_new_session=True,  # Ctrl-C is for the chat alone
    )
    assert server.stdin is not None
    server.stdin.write(settings.model_dump_json() + "\n")
    server.stdin.flush()
    return server


def _wait_until_ready(client: Client, server: "subprocess.Popen[str]", log: IO[str], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not {"ready", "failed"} & set(client.states()):
        if server.poll() is not None:
            raise CliError(_last_words(log) or f"The server ended with status {server.returncode}.")
        if time.monotonic() > deadline:
            raise CliError(f"The model was not ready after {timeout_s:g} s (setting load_timeout_s).")
        time.sleep(_POLL_S)


def _last_words(log: IO[str]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log if line.strip()]
    return lines[-1].removeprefix("vivace: ") if lines else ""


def _end(server: "subprocess.Popen[str]") -> None:
    assert server.stdin is not None
    server.stdin.close()
    try:
        server.wait(_END_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end_with_stdin() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """The child process."""
    from vivace.cli.serve import serve

    settings = Settings.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, name="parent-watch", daemon=True).start()
    serve(settings)


if __name__ == "__main__":
    main()
