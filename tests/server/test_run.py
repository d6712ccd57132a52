"""The server as a process: how it begins, and how it ends on each signal, with the real engine under it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest

from tests.server.scripted import chat_model
from vivace.server.run import bind, url

PROGRAM = """
import sys
from vivace.server.run import run
from vivace.settings import Settings
sys.exit(run(Settings(**{settings!r})))
"""


class ServerProcess:
    def __init__(self, **settings: Any) -> None:
        program = PROGRAM.format(settings={"port": 0, **settings})
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @property
    def url(self) -> str:
        """Waits for the line that says it."""
        if not hasattr(self, "_url"):
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            found = re.search(r"http://\S+:\d+", line)
            assert found, f"{line!r}, {self.finish() if not line else ''}"
            self._url = found.group()
        return self._url

    def engines(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def signal(self, number: int) -> float:
        """When it was sent."""
        self.process.send_signal(number)
        return time.perf_counter()

    def finish(self) -> tuple[int, str]:
        """Exit code, and what it wrote to stderr."""
        _, stderr = self.process.communicate(timeout=30)
        return self.process.returncode, stderr

    def wait_until_ready(self) -> None:
        deadline = time.perf_counter() + 60
        while httpx.get(f"{self.url}/ready", trust_env=False).status_code != 200:
            assert time.perf_counter() < deadline
            time.sleep(0.05)


@contextmanager
def serving(**settings: Any) -> Iterator[ServerProcess]:
    server = ServerProcess(**settings)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def all_gone(processes: list[psutil.Process], within_s: float = 5.0) -> bool:
    """Zombies count as gone: in a container nobody may be there to reap orphans."""
    deadline = time.perf_counter() + within_s
    while any(_runs(process) for process in processes):
        if time.perf_counter() > deadline:
            return False
        time.sleep(0.01)
    return True


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def never_stopping(tokens: int) -> dict[str, Any]:
    """A request whose answer has exactly so many tokens."""
    bias = {str(token): -100 for token in chat_model().checkpoint.stop_ids}
    messages = [{"role": "user", "content": "Hello"}]
    return {"messages": messages, "max_tokens": tokens, "stream": True, "logit_bias": bias, "temperature": 0}


@contextmanager
def streaming(server: ServerProcess, tokens: int) -> Iterator[Iterator[str]]:
    """The lines of an answer that has begun."""
    with (
        httpx.Client(timeout=30, trust_env=False) as client,
        client.stream("POST", f"{server.url}/v1/chat/completions", json=never_stopping(tokens)) as response,
    ):
        assert response.status_code == 200
        lines = (line for line in response.iter_lines() if line.startswith("data:"))
        for _ in range(3):
            next(lines)
        yield lines


def test_a_port_in_use_is_one_sentence_and_exit_code_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, serving(port=other.getsockname()[1]) as server:
        code, stderr = server.finish()
    assert code == 1
    assert "the port is in use" in stderr
    assert len(stderr.splitlines()) == 1


def test_an_unknown_host_is_one_sentence_and_exit_code_1() -> None:
    with serving(host="no-such-host.invalid") as server:
        code, stderr = server.finish()
    assert code == 1
    assert "no-such-host.invalid" in stderr
    assert len(stderr.splitlines()) == 1


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]")])
def test_the_url_can_be_typed_into_a_browser(host: str, shown: str) -> None:
    with bind(host, 0) as sock:
        assert url(sock) == f"http://{shown}:{sock.getsockname()[1]}"


@pytest.mark.parametrize(("soft", "hard", "expected"), [(256, 4000, 4000), (256, 9000, 8192), (8999, 9000, 8999)])
def test_a_low_limit_of_open_files_is_raised(soft: int, hard: int, expected: int) -> None:
    script = (
        f"import resource; files = resource.RLIMIT_NOFILE; resource.setrlimit(files, ({soft}, {hard}))\n"
        "from vivace.server.run import OPEN_FILES, allow_open_files; allow_open_files(OPEN_FILES)\n"
        "print(*resource.getrlimit(files))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(expected), str(hard)]


def test_it_is_alive_before_the_model_is_and_sigterm_ends_it_and_its_engine() -> None:
    with serving() as server:
        assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200
        assert time.perf_counter() - server.began < 2.0
        server.wait_until_ready()
        engines = server.engines()
        assert engines
        server.signal(signal.SIGTERM)
        code, stderr = server.finish()
        assert code == 0
        assert "Traceback" not in stderr
        assert all_gone(engines)


def test_sigterm_while_loading_ends_it_too() -> None:
    with serving() as server:
        assert server.url
        server.signal(signal.SIGTERM)
        code, stderr = server.finish()
        assert code == 0
        assert "Traceback" not in stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_answer_is_finished_first(number: int) -> None:
    with serving() as server:
        server.wait_until_ready()
        with streaming(server, tokens=60) as lines:
            server.signal(number)
            rest = list(lines)
        assert rest[-1] == "data: [DONE]"
        assert json.loads(rest[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "length"
        code, stderr = server.finish()
        assert code == 0
        assert ("Ctrl-C" in stderr) == (number == signal.SIGINT)


def test_an_answer_that_takes_too_long_is_cut_with_an_error() -> None:
    with serving(drain_s=0.3) as server:
        server.wait_until_ready()
        engines = server.engines()
        with streaming(server, tokens=1500) as lines:
            sent = server.signal(signal.SIGTERM)
            rest = list(lines)
        assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "engine_failed"
        code, stderr = server.finish()
        assert code == 0
        assert time.perf_counter() - sent < 5
        assert "Traceback" not in stderr
        assert all_gone(engines)


def test_the_second_sigint_ends_everything_at_once() -> None:
    with serving() as server:
        server.wait_until_ready()
        engines = server.engines()
        with streaming(server, tokens=1500):
            server.signal(signal.SIGINT)
            time.sleep(0.3)
            sent = server.signal(signal.SIGINT)
            code, stderr = server.finish()
        assert time.perf_counter() - sent < 1.5
        assert code == 130
        assert "Traceback" not in stderr
        assert all_gone(engines)


def test_kill_9_leaves_no_engine_behind() -> None:
    with serving() as server:
        server.wait_until_ready()
        engines = server.engines()
        with streaming(server, tokens=1500):
            os.kill(server.process.pid, signal.SIGKILL)
            assert all_gone(engines)
