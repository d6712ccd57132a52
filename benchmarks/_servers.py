"""Servers as child processes: started as users start them, watched for memory, and always ended."""

import contextlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

_START_S = 120.0
_SAMPLE_S = 0.1
_END_S = 10.0


class StartError(Exception):
    """The server ended, or did not answer, before it was ready; the message has the end of its log."""


def vivace(model: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "vivace.cli", "serve", str(model), "--port", str(port)]


def mlx_lm(model: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "mlx_lm", "server", "--model", str(model), "--port", str(port)]


def muting(model: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks._muting_server", str(model), str(port)]


# Name → command line, and the path that answers 200 when requests can be sent.
SERVERS = {"vivace": (vivace, "/ready"), "mlx_lm": (mlx_lm, "/health"), "muting": (muting, "/ready")}
RIVALS = ("vivace", "mlx_lm")


class Running:
    """A server that answers at `url`."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.url = url
        self._process = psutil.Process(process.pid)
        self._stop = threading.Event()
        self._peak = 0
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    @property
    def peak_bytes(self) -> int:
        """Most resident memory that the whole process tree had at once; pages that processes share count for each."""
        return self._peak

    @property
    def front_cpu_s(self) -> float:
        """Processor time that the process which answers HTTP has taken so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def end_sampling(self) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            self._peak = max(self._peak, sum(_rss(p) for p in _tree(self._process)))


@contextlib.contextmanager
def serving(name: str, model: Path) -> Iterator[Running]:
    """Start the server and wait until it is ready.

    Raises:
        StartError: it does not get there.
    """
    command, ready = SERVERS[name]
    port = _free_port()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command(model, port), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            if not _answers(process, url + ready):
                log.seek(0)
                raise StartError(f"{name} did not start:\n{log.read().decode(errors='replace')[-2000:]}")
            running = Running(process, url)
            try:
                yield running
            finally:
                running.end_sampling()
        finally:
            _end(process)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + _START_S
    with httpx.Client(trust_env=False) as client:
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if client.get(url).status_code == 200:
                    return True
            time.sleep(0.1)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL to whatever is left of the tree after a while."""
    if process.poll() is not None:
        return
    tree = _tree(psutil.Process(process.pid))
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for left in tree[1:]:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()


def _tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
