"""Forward passes: prefill chunks of one sequence, one decode step of many."""

from typing import Any

import mlx.core as mx

from vivace.engine.cache.ragged import BatchCaches
from vivace.engine.models import LoadedModel, arrays_of
from vivace.engine.sequence import Sequence
from vivace.protocol import Generate


class Runner:
    """Runs a model over sequences. All results are lazy: the caller decides when to evaluate.

    Rows of a decode step share one forward (`share_rows`; `probe.py` finds out whether the model allows it), else they
    run one after the other. `ops`: the native kernels, if they compute.
    """

    def __init__(self, model: LoadedModel) -> None:
        self.share_rows = True
        self.ops = model.ops
        self._model = model
        self._rows: list[Sequence | None] = []  # of the last step, None for one that has left
        self._batch = BatchCaches()

    def make_caches(self, request: Generate) -> list[Any]:
        """Empty caches with room for what a request will surely need."""
        return self._model.make_caches(len(request.prompt) + min(request.max_tokens, 256))

    def prefill(self, sequence: Sequence, tokens: int) -> list[mx.array]:
        """Run the next `tokens` known tokens; the cache arrays to evaluate. The head's logits are never computed."""
        chunk = mx.array(sequence.next_chunk(tokens))[None]
        self._model.forward(chunk, sequence.caches)
        sequence.prefilled += tokens
        sequence.fed += tokens
        return arrays_of(sequence.caches)

    def decode(self, rows: list[Sequence], tokens: mx.array) -> mx.array:
        """Feed one token per row, `[B]` int; logits `[B, V]` for the token after it.

        Rows that were in the previous step come first and in their old order, new ones after them.
        """
        logits = self._together(rows, tokens) if self.share_rows else self._one_by_one(rows, tokens)
        for row in rows:
            row.fed += 1
        return logits

    def leave(self, row: Sequence) -> None:
        """Give a row of the last step its caches back, to be prefilled; later it may join anew."""
        if row in self._rows:
            at = self._rows.index(row)
            self._batch.give_back(at, row.caches)
            self._rows[at] = None

    def release(self) -> None:
        """Let go of the caches of the last step's rows: none of them goes on."""
        self._rows, self._batch = [], BatchCaches()

    def _together(self, rows: list[Sequence], tokens: mx.array) -> mx.array:
        self._change_rows(rows)
        self._batch.advance([row.fed for row in rows])
        return self._model.forward(tokens[:, None], self._batch.layers)[:, -1]

    def _one_by_one(self, rows: list[Sequence], tokens: mx.array) -> mx.array:
        columns = [self._model.forward(tokens[i : i + 1][None], row.caches) for i, row in enumerate(rows)]
        return mx.concatenate([column[:, -1] for column in columns])

    def _change_rows(self, rows: list[Sequence]) -> None:
        if rows == self._rows:
            return
        index = {id(row): i for i, row in enumerate(self._rows)}
        kept = [index[id(row)] for row in rows if id(row) in index]
        joining = [row.caches for row in rows if id(row) not in index]
        self._batch.change(kept, joining, [row.caches for row in rows])
        self._rows = list(rows)
