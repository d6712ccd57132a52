"""Programs that run the same model, each in a process of its own: Vivace's engine, llama.cpp and mlx-lm."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent
_LOAD_S = 300.0


class RivalError(Exception):
    """The process ended, or did not answer in time; the message says which."""


class Rival:
    """A process that has the model in memory, asked for one thing at a time (see `_child.Runner`).

    Attributes:
        name: of the program, and how it is set.
        patience: what it is asked for at most, if it is too slow for the common measure: tokens of the prompt, and
            tokens and times of decoding.
    """

    def __init__(self, name: str, module: str, *arguments: object, **settings: Any) -> None:
        """Start it. `settings`: `python` that runs it, `environment` to add, `patience`."""
        self.name = name
        self.patience: tuple[int, int, int] | None = settings.get("patience")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as the process lives
        self._process = subprocess.Popen(
            [settings.get("python", sys.executable), "-m", f"benchmarks.{module}", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
            cwd=_ROOT,
            start_new_session=True,  # so that its own children can be ended, too
            env=os.environ | settings.get("environment", {}),
        )

    def wait(self) -> None:
        """Until the model is loaded.

        Raises:
            RivalError: it cannot be.
        """
        self._read(_LOAD_S)

    def begin(self, prompts: list[list[int]], tokens: int, limit_s: float) -> float:
        """Seconds until every stream has its first token."""
        return float(self._ask(limit_s, "begin", prompts, tokens))

    def decode(self, tokens: int, limit_s: float) -> float:
        """Tokens/s of all streams together."""
        return float(self._ask(limit_s, "decode", tokens))

    def end(self, limit_s: float) -> None:
        self._ask(limit_s, "end")

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()

    def _ask(self, limit_s: float, *message: Any) -> Any:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its end is told with its last words
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
        return self._read(limit_s)

    def _read(self, limit_s: float) -> Any:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], limit_s)[0]:
            raise RivalError(f"did not finish in {limit_s:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise RivalError(f"ended: {self._last_words()}")
        return json.loads(line)

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "without a word"


def vivace(path: Path, threads: int) -> Rival:
    return Rival("vivace", "_run_vivace", path, threads, environment={"VIVACE_THREADS": str(threads)})


def llama_cpp(twin: Path, threads: int, flash: bool, python: str) -> Rival:
    return Rival(llama_name(twin, flash), "_run_llama", twin, threads, int(flash), python=python)


def llama_server(twin: Path, threads: int, flash: bool, program: Path) -> Rival:
    name = f"{llama_name(twin, flash)}, llama-server"
    return Rival(name, "_run_llama_server", program, twin, threads, int(flash))


def mlx_lm(path: Path) -> Rival:
    """Without what PYTHONPATH may add to it. It makes a token in 8 s, so it is asked for few."""
    return Rival("mlx-lm", "_run_mlx_lm", path, environment={"PYTHONPATH": ""}, patience=(4, 1, 2))


def llama_name(twin: Path, flash: bool) -> str:
    return f"llama.cpp {twin.stem.rsplit('-', 1)[-1]}{', flash attention' if flash else ''}"
