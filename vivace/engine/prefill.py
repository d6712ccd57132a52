"""Prompt tokens into the caches, chunk by chunk, and how fast that goes."""

from dataclasses import dataclass
from time import monotonic

import mlx.core as mx

from vivace.engine.runner import Runner
from vivace.engine.scheduler import MIN_CHUNK
from vivace.engine.sequence import Sequence
from vivace.protocol import Progress

SMOOTHING = 0.3  # weight of the newest chunk in the measured rate


@dataclass(frozen=True)
class Chunk:
    """Prefill that is on the device: since when, how many tokens, of whom, and the arrays that end it."""

    started: float
    tokens: int
    sequences: list[Sequence]
    arrays: list[mx.array]


class Prefiller:
    """At most one chunk is on the device. `rate`: measured tokens/s."""

    def __init__(self, runner: Runner, rate: float) -> None:
        self.rate = rate
        self._runner = runner
        self._chunk: Chunk | None = None

    @property
    def busy(self) -> bool:
        return self._chunk is not None

    def queue(self, shares: list[tuple[Sequence, int]]) -> None:
        """Put the next tokens of each sequence on the device."""
        started = monotonic()
        arrays = [array for sequence, tokens in shares for array in self._runner.prefill(sequence, tokens)]
        mx.async_eval(arrays)
        self._chunk = Chunk(started, sum(tokens for _, tokens in shares), [s for s, _ in shares], arrays)

    def collect(self) -> list[Progress]:
        """Wait for the chunk on the device, if there is one; how far its sequences are."""
        if self._chunk is None:
            return []
        chunk, self._chunk = self._chunk, None
        mx.eval(chunk.arrays)
        if chunk.tokens >= MIN_CHUNK:  # a shorter one says little about the rate
            rate = chunk.tokens / max(monotonic() - chunk.started, 1e-6)
            self.rate += SMOOTHING * (rate - self.rate)
        going_on = [s for s in chunk.sequences if not s.finished]
        return [Progress(s.id, s.prefilled, len(s.request.prompt), s.cached) for s in going_on]
