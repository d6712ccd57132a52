"""Forward passes: prefill chunks of one sequence, one decode step of many."""

from dataclasses import dataclass
from time import monotonic

import mlx.core as mx

from vivace.engine.cache.ragged import BatchCaches, UnbatchableError
from vivace.engine.models import LoadedModel, arrays_of
from vivace.engine.sequence import Sequence
from vivace.protocol import Generate

PROBE_TOKENS = 64
# Relative difference of logits up to which two forwards are the same computation in another order.
TOLERANCE = {"float32": 1e-3, "float16": 3e-2, "bfloat16": 1e-1}


@dataclass(frozen=True)
class Probe:
    """What the first forwards of a model showed: width of its logits, prefill tokens/s, whether rows can share."""

    vocab_size: int
    prefill_rate: float
    shared: bool
    reason: str = ""


class Runner:
    """Runs a model over sequences. All results are lazy: the caller decides when to evaluate.

    Rows of a decode step share one forward when the model's layer caches allow it, else they run one after the other.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._rows: list[Sequence] = []
        self._batch = BatchCaches()
        self._shared = True

    def begin(self, sequence: Sequence) -> None:
        """Give an admitted sequence its caches."""
        request = sequence.request
        sequence.caches = self._model.make_caches(len(request.prompt) + min(request.max_tokens, 256))

    def prefill(self, sequence: Sequence, tokens: int) -> list[mx.array]:
        """Run the next `tokens` prompt tokens; the cache arrays to evaluate. The head's logits are never computed."""
        chunk = mx.array(sequence.next_chunk(tokens))[None]
        self._model.forward(chunk, sequence.caches)
        sequence.prefilled += tokens
        sequence.fed += tokens
        return arrays_of(sequence.caches)

    def decode(self, rows: list[Sequence], tokens: mx.array) -> mx.array:
        """Feed one token per row, `[B]` int; logits `[B, V]` for the token after it.

        Rows that were in the previous step come first and in their old order, new ones after them.
        """
        if not self._shared:
            logits = mx.concatenate(
                [self._model.forward(tokens[i : i + 1][None], row.caches)[:, -1] for i, row in enumerate(rows)]
            )
        else:
            self._change_rows(rows)
            self._batch.advance([row.fed for row in rows])
            logits = self._model.forward(tokens[:, None], self._batch.layers)[:, -1]
        for row in rows:
            row.fed += 1
        return logits

    def _change_rows(self, rows: list[Sequence]) -> None:
        if rows == self._rows:
            return
        index = {id(row): i for i, row in enumerate(self._rows)}
        kept = [index[id(row)] for row in rows if id(row) in index]
        joining = [row.caches for row in rows if id(row) not in index]
        self._batch.change(kept, joining, [row.caches for row in rows])
        self._rows = list(rows)

    def probe(self) -> Probe:
        """Run two short sequences alone and together: compiles kernels, measures, and picks the way rows are run."""
        alone = [self._trial(tokens) for tokens in ([1, 2, 3, 4], [5, 6])]
        mx.eval(alone)
        rate = self._prefill_rate()
        vocab = alone[0].shape[-1]
        reason = self._compare(alone)
        self._shared = not reason
        self._rows, self._batch = [], BatchCaches()
        return Probe(vocab, rate, self._shared, reason)

    def _trial(self, tokens: list[int]) -> mx.array:
        """Logits `[1, V]` of the third step of a sequence on its own."""
        sequence = self._probe_sequence(tokens)
        for token in (7, 8, 9):
            logits = self._model.forward(mx.array([[token]]), sequence.caches)[:, -1]
        return logits

    def _probe_sequence(self, tokens: list[int]) -> Sequence:
        sequence = Sequence(Generate(id="probe", prompt=[*tokens, 7], max_tokens=4))
        self.begin(sequence)
        self.prefill(sequence, len(tokens))
        return sequence

    def _compare(self, alone: list[mx.array]) -> str:
        """Why rows cannot share a forward; empty when the shared one gives the same logits."""
        rows = [self._probe_sequence(tokens) for tokens in ([1, 2, 3, 4], [5, 6])]
        try:
            self.decode(rows[:1], mx.array([7]))
            self.decode(rows[:1], mx.array([8]))
            self.decode(rows, mx.array([9, 7]))
            last = self.decode(rows[1:], mx.array([8]))
            last = self.decode(rows[1:], mx.array([9]))
            again = [self._probe_sequence(tokens) for tokens in ([1, 2, 3, 4], [5, 6])]
            for token in (7, 8, 9):
                together = self.decode(again, mx.array([token, token]))
            found = mx.concatenate([together, last])
            expected = mx.concatenate([*alone, alone[1]])
            difference = float(mx.max(mx.abs(found - expected)).item() / (mx.max(mx.abs(expected)).item() or 1.0))
        except (UnbatchableError, AttributeError, TypeError, ValueError, IndexError, RuntimeError) as error:
            return f"{type(error).__name__}: {error}"
        limit = TOLERANCE.get(self._model.dtype, 1e-1)
        return "" if difference <= limit else f"logits differ by {difference:.1e}"

    def _prefill_rate(self) -> float:
        """Tokens/s of a short warm prefill."""
        times = []
        for _ in range(2):
            sequence = Sequence(Generate(id="probe", prompt=[1] * (PROBE_TOKENS + 1), max_tokens=1))
            self.begin(sequence)
            start = monotonic()
            mx.eval(self.prefill(sequence, PROBE_TOKENS))
            times.append(monotonic() - start)
        return PROBE_TOKENS / max(min(times), 1e-6)
