"""A chat that starts its own server: it answers, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import Vivace

START_S = 120.0  # the machine may be busy


@pytest.fixture
def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def test_one_question_with_a_server_of_its_own(vivace: Vivace, free_port: str) -> None:
    outcome = vivace("chat", "--no-think", "Who are you?", VIVACE_PORT=free_port, timeout_s=START_S)
    assert outcome.exit_code == 0, outcome.err
    assert "Vivace" in outcome.out
    assert "starting vivace-mini" in outcome.err


def test_the_question_from_a_pipe(vivace: Vivace, free_port: str) -> None:
    question = "What is 127 + 386?\n"
    outcome = vivace("chat", "--no-think", stdin=question, VIVACE_PORT=free_port, timeout_s=START_S)
    assert "513" in outcome.out


def test_a_killed_chat_leaves_no_process(environment: dict[str, str], free_port: str, tmp_path: Path) -> None:
    chat = subprocess.Popen(
        [sys.executable, "-m", "vivace.cli", "chat", "Tell me a long story."],
        env=environment | {"VIVACE_PORT": free_port},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    family = _family_of(chat.pid, at_least=2)
    os.kill(chat.pid, signal.SIGKILL)
    chat.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def _family_of(pid: int, at_least: int) -> list[psutil.Process]:
    """The descendants of a process, once there are so many: the gateway and its engine."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        family = psutil.Process(pid).children(recursive=True)
        if len(family) >= at_least:
            return family
        time.sleep(0.05)
    raise AssertionError(f"fewer than {at_least} processes after {START_S:g} s")
