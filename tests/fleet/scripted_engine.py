"""A real engine process without a model: speaks vivace.protocol and behaves as its first argument says.

Run as `python scripted_engine.py BEHAVIOUR STATE FD`. STATE is a file that counts the starts, so that a behaviour can
be confined to the first life (`once-...`). Tokens of an answer are 0, 1, 2, ... up to max_tokens.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path

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
    Loading,
    Ping,
    Pong,
    Progress,
    Ready,
    Timings,
    ToEngine,
    Tokens,
    encode,
    to_engine_decoder,
)

SLOW_TOKEN_S = 0.02


class ScriptedEngine:
    def __init__(self, behaviour: str, sock: socket.socket) -> None:
        self.behaviour = behaviour
        self.sock = sock
        self.reader: FrameReader[ToEngine] = FrameReader(to_engine_decoder)
        self.running: dict[str, tuple[Generate, int]] = {}
        self.steps = 0
        self.stuck = False
        self.draining = False

    def send(self, message: FromEngine) -> None:
        self.sock.sendall(encode(message))

    def run(self) -> None:
        while not (self.draining and not self.running):
            self.sock.settimeout(SLOW_TOKEN_S if self.running and not self.stuck else None)
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                self.step()
                continue
            if not data:
                return
            for message in self.reader.feed(data):
                self.handle(message)

    def handle(self, message: ToEngine) -> None:
        if isinstance(message, Load):
            self.load(message)
        elif isinstance(message, Ping):
            busy = self.stuck or bool(self.running)
            self.send(Pong(message.nonce, self.steps, busy, len(self.running), 0, 1000))
        elif isinstance(message, Generate):
            self.generate(message)
        elif isinstance(message, Cancel):
            if self.running.pop(message.id, None):
                self.send(Finished(message.id, "cancelled", 0, 0, 0, Timings(0, 0, 0)))
        elif isinstance(message, Drain):
            self.draining = True

    def load(self, message: Load) -> None:
        if self.behaviour == "dies-loading":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.behaviour == "fails-loading":
            self.send(LoadFailed(f"{message.model} needs more memory than there is."))
            return
        if self.behaviour == "hangs-loading":
            time.sleep(60)
        self.send(Loading(0.5, "weights"))
        if self.behaviour == "loads-slowly":
            time.sleep(0.5)
        self.send(Ready("cpu", "float32", "none", 1000, 0.0, 8))

    def generate(self, message: Generate) -> None:
        if self.behaviour == "dies-on-request":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.behaviour == "talks-nonsense":
            self.sock.sendall(b"\x00\x00\x00\x03abc")
        if self.behaviour == "refuses":
            self.send(Failed(message.id, "overloaded", "full"))
            return
        self.stuck = self.behaviour == "stalls"
        self.send(Progress(message.id, len(message.prompt), len(message.prompt)))
        self.running[message.id] = (message, 0)
        while self.behaviour == "quick" and message.id in self.running:
            self.step()

    def step(self) -> None:
        self.steps += 1
        for id_, (request, done) in list(self.running.items()):
            self.send(Tokens(id_, [done]))
            self.running[id_] = (request, done + 1)
            if done + 1 == request.max_tokens:
                del self.running[id_]
                self.send(Finished(id_, "length", len(request.prompt), 0, done + 1, Timings(0, 0, 0)))


def main() -> None:
    behaviour, state, fd = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    with state.open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    if behaviour.startswith("once-"):
        first = len(state.read_text().splitlines()) == 1
        behaviour = behaviour.removeprefix("once-") if first else "normal"
    if behaviour == "ignores-sigterm":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ScriptedEngine(behaviour, socket.socket(fileno=fd)).run()


if __name__ == "__main__":
    main()
