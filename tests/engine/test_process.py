"""The engine as a process of its own, on the embedded model."""

import resource
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from tokenizers import Tokenizer

from vivace.assets import embedded_model_path
from vivace.protocol import (
    Cancel,
    Drain,
    Failed,
    Finished,
    FrameReader,
    FromEngine,
    Generate,
    Load,
    LoadFailed,
    Ping,
    Pong,
    Ready,
    Sampling,
    ToEngine,
    Tokens,
    encode,
    from_engine_decoder,
)

GREEDY = Sampling(temperature=0)
STOP_IDS = (8182, 8180)


class Engine:
    """One engine process and our end of its socket."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(60)
        command = [sys.executable, "-m", "vivace.engine", str(theirs.fileno())]
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        theirs.close()
        self._frames = FrameReader(from_engine_decoder)
        self._messages: list[FromEngine] = []

    def send(self, *messages: ToEngine) -> None:
        self.socket.sendall(b"".join(encode(message) for message in messages))

    def until(self, kind: type, id: str | None = None) -> list[FromEngine]:
        """Messages up to the first of that kind (and request)."""
        seen: list[FromEngine] = []
        while True:
            while not self._messages:
                data = self.socket.recv(1 << 16)
                assert data, "the engine has closed the connection"
                self._messages += self._frames.feed(data)
            seen.append(self._messages.pop(0))
            if isinstance(seen[-1], kind) and id in (None, getattr(seen[-1], "id", None)):
                return seen


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.socket.close()
    engine.process.kill()
    engine.process.wait()


@pytest.fixture
def ready(engine) -> Engine:
    engine.send(Load(str(embedded_model_path()), 4096))
    engine.until(Ready)
    return engine


def prompt(question: str) -> list[int]:
    tokenizer = Tokenizer.from_file(str(embedded_model_path() / "tokenizer.json"))
    text = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    return tokenizer.encode(text).ids


def text(messages: list[FromEngine]) -> str:
    tokenizer = Tokenizer.from_file(str(embedded_model_path() / "tokenizer.json"))
    return tokenizer.decode([token for m in messages if isinstance(m, Tokens) for token in m.ids])


@pytest.mark.skipif(not hasattr(psutil.Process, "rlimit"), reason="psutil reads another process's limits on Linux only")
def test_it_keeps_the_limit_of_open_files_that_mlx_lm_would_lower(ready):
    assert psutil.Process(ready.process.pid).rlimit(psutil.RLIMIT_NOFILE) == resource.getrlimit(resource.RLIMIT_NOFILE)


def test_it_answers_cancels_pings_and_drains(ready):
    ready.send(Generate("who", prompt("Who are you?"), 60, GREEDY, STOP_IDS))
    messages = ready.until(Finished)
    assert "Vivace Mini" in text(messages)
    assert messages[-1].reason == "stop"

    ready.send(Generate("long", prompt("Tell me a short story about a fox."), 4000, GREEDY))
    ready.until(Tokens, "long")
    ready.send(Ping(7))
    assert ready.until(Pong)[-1].busy
    ready.send(Cancel("long"))
    assert ready.until(Finished, "long")[-1].reason == "cancelled"

    ready.send(Generate("last", prompt("What is 127 + 386?"), 200, GREEDY, STOP_IDS))
    ready.until(Tokens, "last")
    ready.send(Drain(), Generate("late", prompt("Who are you?"), 10))
    messages = ready.until(Finished, "last")
    assert any(isinstance(m, Failed) and m.id == "late" and m.kind == "overloaded" for m in messages)
    assert "513" in text(messages)
    assert ready.process.wait(10) == 0


def test_what_comes_while_it_loads_is_done_when_it_is_ready(engine):
    engine.send(Load(str(embedded_model_path()), 4096), Generate("early", prompt("Who are you?"), 3, GREEDY), Ping(1))
    messages = engine.until(Finished)
    assert sum(isinstance(m, Ready) for m in messages) == 1
    assert messages[-1].completion_tokens == 3


def test_a_missing_model_is_a_failed_load_and_a_quiet_end(engine, tmp_path):
    engine.send(Load(str(tmp_path), 4096))
    message = engine.until(LoadFailed)[-1].message
    assert str(tmp_path) in message
    assert engine.process.wait(10) == 0


@pytest.mark.parametrize("loaded_first", [False, True])
def test_it_ends_when_the_gateway_is_gone(engine, loaded_first):
    engine.send(Load(str(embedded_model_path()), 4096))
    if loaded_first:
        engine.until(Ready)
        engine.send(Generate("long", prompt("Tell me a short story about a fox."), 4000, GREEDY))
        engine.until(Tokens)
    engine.socket.close()
    assert engine.process.wait(10) == 0


def test_garbage_on_the_socket_ends_it(ready):
    ready.socket.sendall(b"\xff" * 64)
    assert ready.process.wait(10) == 0
