"""llama-server with a slot for each stream, asked over HTTP by as many clients at once.

    python -m benchmarks._run_llama_server PROGRAM MODEL.gguf THREADS FLASH

The whole answer is made in `begin`, as a server cannot be paused; `decode` tells how quick its parts were.
"""

import atexit
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from benchmarks._child import serve

_START_S = 60.0


class LlamaServer:
    def __init__(self, program: Path, twin: Path, threads: int, flash: bool) -> None:
        flash_attention = "on" if flash else "off"
        self._command = [program, "-m", twin, "-t", str(threads), "-b", "512", "-ub", "512", "-fa", flash_attention]
        self._server = contextlib.ExitStack()
        atexit.register(self._server.close)
        self._size = (0, 0)
        self._times: list[list[float]] = []
        self._told = 0
        self._url = ""

    def begin(self, prompts: list[list[int]], tokens: int) -> float:
        self._make_room(len(prompts), len(prompts[0]) + tokens)
        began = time.perf_counter()
        with ThreadPoolExecutor(len(prompts)) as pool:
            streams = pool.map(lambda prompt: list(self._stream(prompt, tokens)), prompts)
            self._times = list(streams)
        self._told = 0
        return max(times[0] for times in self._times) - began

    def decode(self, tokens: int) -> float:
        """Of the tokens that follow those it told of before."""
        first, last = self._told, self._told + tokens
        self._told = last + 1
        took = max(times[last] for times in self._times) - max(times[first] for times in self._times)
        return tokens * len(self._times) / took

    def end(self) -> None:
        self._times = []

    def _stream(self, prompt: list[int], tokens: int) -> Iterator[float]:
        """When each token arrived."""
        body: dict[str, Any] = {"prompt": prompt, "n_predict": tokens, "temperature": 0, "ignore_eos": True}
        body |= {"stream": True, "cache_prompt": False, "return_tokens": True}
        with httpx.stream("POST", f"{self._url}/completion", json=body, timeout=None, trust_env=False) as response:
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    yield from [time.perf_counter()] * len(json.loads(line.removeprefix("data: "))["tokens"])

    def _make_room(self, streams: int, tokens: int) -> None:
        """A server with so many slots of so many tokens, unless that of last time will do."""
        if self._size == (streams, tokens):
            return
        self._server.close()
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        context = streams * -(-tokens // 256) * 256
        command = [*self._command, "-np", str(streams), "-c", str(context), "--port", str(port)]
        process = subprocess.Popen(command, stdout=sys.stderr, stderr=sys.stderr)
        self._server.callback(process.wait)
        self._server.callback(process.kill)
        self._url, self._size = f"http://127.0.0.1:{port}", (streams, tokens)
        self._wait(process)

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + _START_S
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self._url}/health", trust_env=False).status_code == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError("llama-server did not start")


if __name__ == "__main__":
    serve(lambda: LlamaServer(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1"))
