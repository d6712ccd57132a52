"""Running the command line as users do, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Outcome:
    exit_code: int
    out: str
    err: str


Vivace = Callable[..., Outcome]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No setting, configuration, state or network of the machine that runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VIVACE_")}
    folders = {name: str(tmp_path / name.lower()) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "HF_HOME")}
    return kept | folders | {"HF_HUB_OFFLINE": "1", "COLUMNS": "200", "NO_COLOR": "1"}


@pytest.fixture
def vivace(tmp_path: Path, environment: dict[str, str]) -> Vivace:
    def run(*arguments: str, stdin: str | bytes = b"", timeout_s: float = 60, **variables: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "vivace.cli", *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=timeout_s,
            cwd=tmp_path,
            env=environment | variables,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run
