"""The README's examples do what it says: each is run as it stands, but for the port."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.server import Server

README = (Path(__file__).parents[2] / "README.md").read_text()
WRITTEN = "http://127.0.0.1:8000"
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
CURL = re.findall(r"^    (curl .*?[^\\])$", README, re.DOTALL | re.MULTILINE)


def run(command: list[str], server: Server) -> str:
    at_server = [argument.replace(WRITTEN, server.url) for argument in command]
    assert at_server != command
    done = subprocess.run(at_server, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_has_examples() -> None:
    assert PYTHON
    assert CURL


@pytest.mark.parametrize("example", PYTHON)
def test_python(server: Server, example: str) -> None:
    assert "513" in run([sys.executable, "-c", example], server)


@pytest.mark.parametrize("example", CURL)
def test_curl(server: Server, example: str) -> None:
    assert "Vivace Mini" in run(["sh", "-c", example], server)


def test_the_line_that_serve_prints(server: Server) -> None:
    (line,) = [line for line in server.banner.splitlines() if line.startswith("curl ")]
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=120)
    assert "Vivace Mini" in done.stdout
