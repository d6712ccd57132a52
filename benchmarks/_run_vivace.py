"""Vivace's engine as the server starts it, without the server: device, model, first forwards and step loop.

python -m benchmarks._run_vivace CHECKPOINT THREADS
"""

import sys
import time
from collections.abc import Sequence

from vivace.engine.environment import import_mlx_lm, prepare_environment

prepare_environment()
import_mlx_lm()

import mlx.core as mx  # noqa: E402

from benchmarks._child import serve  # noqa: E402
from vivace.engine.build import build  # noqa: E402
from vivace.protocol import Cancel, Failed, FromEngine, Generate, Load, Sampling, Tokens  # noqa: E402

_CONTEXT = 32768


class Engine:
    def __init__(self, path: str, threads: int) -> None:
        self._loop, ready = build(Load(model=path, context=_CONTEXT, threads=threads), self._receive)
        print(ready, file=sys.stderr)
        self._counts: dict[str, int] = {}
        self._last = 0.0

    def begin(self, prompts: list[list[int]], tokens: int) -> float:
        """Streams go on until `end`: those whose prompts come first decode while the others' are prefilled."""
        self._counts = {str(stream): 0 for stream in range(len(prompts))}
        began = time.perf_counter()
        for stream, prompt in enumerate(prompts):
            self._loop.submit(Generate(str(stream), prompt, _CONTEXT - len(prompt), Sampling(temperature=0)))
        while not all(self._counts.values()):
            self._loop.turn()
        return self._last - began

    def decode(self, tokens: int) -> float:
        """From one step's tokens to a later one's; the step that was begun meanwhile comes first and does not count."""
        before, began = self._deliver(1)
        after, ended = self._deliver(tokens * len(self._counts))
        mx.synchronize()
        return (after - before) / (ended - began)

    def end(self) -> None:
        for stream in self._counts:
            self._loop.submit(Cancel(stream))
        self._loop.turn()
        while self._loop.busy:
            self._loop.turn()
        mx.synchronize()

    def _deliver(self, tokens: int) -> tuple[int, float]:
        """Run until so many more have come; all that came so far, and when the last did."""
        wanted = sum(self._counts.values()) + tokens
        while sum(self._counts.values()) < wanted:
            self._loop.turn()
        return sum(self._counts.values()), self._last

    def _receive(self, messages: Sequence[FromEngine]) -> None:
        for message in messages:
            if isinstance(message, Failed):
                raise RuntimeError(message.message)
            if isinstance(message, Tokens):
                self._counts[message.id] += len(message.ids)
                self._last = time.perf_counter()


if __name__ == "__main__":
    serve(lambda: Engine(sys.argv[1], int(sys.argv[2])))
