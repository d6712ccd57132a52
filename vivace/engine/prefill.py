"""Known tokens into the caches, prompts and forced runs, chunk by chunk; and how fast that goes."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import mlx.core as mx

from vivace.engine.cache.snapshots import Snapshot
from vivace.engine.runner import Runner
from vivace.engine.scheduler import MIN_CHUNK
from vivace.engine.sequence import Sequence

SMOOTHING = 0.3  # weight of the newest chunk in the measured rate


@dataclass(frozen=True)
class Chunk:
    """Prefill that is on the device: since when, how many tokens, whose, the arrays that end it; which prompts it is
    of, where they are then, and their recurrent state there, if it is kept."""

    started: float
    tokens: int
    sequences: list[Sequence]
    arrays: list[mx.array]
    prompts: list[tuple[Sequence, int, Snapshot | None]]


class Prefiller:
    """At most one chunk is on the device. `rate`: measured tokens/s."""

    def __init__(self, runner: Runner, rate: float, snapshot: Callable[[Sequence], Snapshot | None]) -> None:
        self.rate = rate
        self._runner = runner
        self._snapshot = snapshot
        self._chunk: Chunk | None = None

    @property
    def busy(self) -> bool:
        return self._chunk is not None

    def holds(self, sequence: Sequence) -> bool:
        """Tokens of this sequence are on the device. What wrote to its slabs refers to them until it is done, and then
        whatever else writes to them copies them whole."""
        return self._chunk is not None and sequence in self._chunk.sequences

    def queue(self, shares: list[tuple[Sequence, int]]) -> None:
        """Put the next tokens of each sequence on the device."""
        started = monotonic()
        arrays = [array for sequence, tokens in shares for array in self._runner.prefill(sequence, tokens)]
        mx.async_eval(arrays)
        prompts = [(s, s.fed, self._snapshot(s)) for s, _ in shares if s.in_prompt]
        self._chunk = Chunk(started, sum(tokens for _, tokens in shares), [s for s, _ in shares], arrays, prompts)

    def collect(self) -> list[tuple[Sequence, int, Snapshot | None]]:
        """Wait for the chunk on the device, if there is one; whose prompt has come to which position, and its state."""
        if self._chunk is None:
            return []
        chunk, self._chunk = self._chunk, None
        mx.eval(chunk.arrays)
        if chunk.tokens >= MIN_CHUNK:  # a shorter one says little about the rate
            rate = chunk.tokens / max(monotonic() - chunk.started, 1e-6)
            self.rate += SMOOTHING * (rate - self.rate)
        return [prompt for prompt in chunk.prompts if not prompt[0].finished]
