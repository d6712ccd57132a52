"""`vivace serve` as users start it: a process of its own, on a free port, with the embedded model."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

MODEL = "vivace-mini"
TIMEOUT_S = 120.0  # longer than any answer takes on a loaded machine: beyond it something hangs


class Server:
    """A running server. `folder` is where it works and where its log lies; `banner` is what it printed.

    `key`: what its clients send as their API key.
    """

    def __init__(self, folder: Path, *arguments: str, key: str = "none") -> None:
        self._log = folder / "server.log"
        command = [sys.executable, "-m", "vivace.cli", "serve", "--port", "0", *arguments]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder, env=environment(folder)
            )
        self.banner = ""
        self.url = self._announced()
        self.key = key
        self.http = httpx.Client(
            base_url=self.url, timeout=TIMEOUT_S, trust_env=False, headers={"authorization": f"Bearer {key}"}
        )
        http_client = DefaultHttpxClient(trust_env=False)
        self.client = OpenAI(api_key=key, max_retries=0, timeout=TIMEOUT_S, http_client=http_client, base_url=self.base)

    @property
    def base(self) -> str:
        """What SDKs take as base_url."""
        return f"{self.url}/v1"

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        assert url.port is not None
        return url.host, url.port

    def async_client(self) -> AsyncOpenAI:
        """To be closed by the caller, in the event loop that used it."""
        http_client = DefaultAsyncHttpxClient(trust_env=False)
        return AsyncOpenAI(
            api_key=self.key, max_retries=0, timeout=TIMEOUT_S, http_client=http_client, base_url=self.base
        )

    def log(self) -> str:
        return self._log.read_text()

    def engine(self) -> psutil.Process:
        """The one engine process that runs now."""
        (engine,) = [child for child in psutil.Process(self.process.pid).children() if alive(child)]
        return engine

    def is_ready(self) -> bool:
        return self.http.get("/ready").status_code == 200

    def wait_until_ready(self) -> None:
        until(self.is_ready, 60)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        self.client.close()
        self.http.close()
        self.process.kill()
        self.process.communicate()

    def _announced(self) -> str:
        """The URL from what it prints, up to the line to try."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.banner += line
            if line.startswith("curl"):
                break
        found = re.search(r"http://[\w.]+:\d+", self.banner)
        assert found, f"no address was printed: {self.banner} {self.log()}"
        return found.group()


@contextmanager
def serving(folder: Path, *arguments: str, key: str = "none") -> Iterator[Server]:
    """A server that is ready, and that is gone afterwards in any case."""
    server = Server(folder, *arguments, key=key)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.end()


def environment(folder: Path) -> dict[str, str]:
    """No setting, configuration or network of the machine that runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VIVACE_")}
    return kept | {
        "XDG_CONFIG_HOME": str(folder),
        "XDG_CACHE_HOME": str(folder),
        "HF_HUB_OFFLINE": "1",
        "NO_COLOR": "1",
    }


def until(condition: Callable[[], bool], within_s: float) -> float:
    """Seconds until it holds; an AssertionError if it does not in time."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, f"not within {within_s:g} s"
        time.sleep(0.02)
    return time.monotonic() - began


def alive(process: psutil.Process) -> bool:
    """Zombies are dead: in a container there may be nobody to reap orphans."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
