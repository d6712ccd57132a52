"""One token for every row: forward, and a step later judging, masking and drawing.

`forward` puts the next step on the device before `deliver` looks at the tokens of the one before, so that stop rules,
grammars and sending cost no device time. A row that turns out to have ended has one wasted column in that forward.
"""

from collections.abc import Sequence as Seq

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from vivace.engine.matcher import GrammarError
from vivace.engine.output import accept, forced_run
from vivace.engine.runner import Runner
from vivace.engine.sampler import Drawn, draw
from vivace.engine.seams import on_cpu
from vivace.engine.sequence import Sequence
from vivace.kernels.token_mask import apply_token_mask
from vivace.protocol import FromEngine


class Decoder:
    """Holds the tokens that were drawn but not looked at yet.

    A row whose grammar forces `shortest_run` tokens or more jumps: they become its known tokens, and it draws no other
    before they are prefilled.
    """

    def __init__(self, runner: Runner, vocab_size: int, shortest_run: int) -> None:
        self._runner = runner
        self._vocab_size = vocab_size
        self._shortest_run = shortest_run
        self._rows: list[Sequence] = []
        self._drawn: Drawn | None = None

    @property
    def busy(self) -> bool:
        return self._drawn is not None

    def is_last(self, row: Sequence) -> bool:
        """Whether the token drawn for this row, not looked at yet, is the last that it may have."""
        return row in self._rows and row.output + 1 >= row.request.max_tokens

    def forward(self, rows: list[Sequence]) -> mx.array | None:
        """Queue this step; logits `[B, V]`. Rows of the step before come first, in their order."""
        if not rows:
            return None
        if self._drawn is not None and on_cpu():
            # A forward that still runs refers to the slabs, and the next one's writes would copy them: without waiting,
            # a step of 8k tokens takes 1.7 times as long, and one of 32 no less. The host is not faster beside it.
            mx.eval(self._drawn.arrays)
        logits = self._runner.decode(rows, self._inputs(rows))
        mx.async_eval(logits)
        return logits

    def deliver(self) -> list[FromEngine]:
        """The tokens of the step before, and the ends that they mean."""
        if self._drawn is None:
            return []
        rows, drawn = self._rows, self._drawn
        self._rows, self._drawn = [], None
        logprobs = drawn.logprobs_of_rows() if drawn.logprobs else {}
        messages: list[FromEngine] = []
        for i, (row, token) in enumerate(zip(rows, drawn.token_ids(), strict=True)):
            if not row.finished:
                messages += accept(row, [token], [logprobs[i]] if i in logprobs else None)
                messages += self._jump(row)
        return messages

    def begin(self, row: Sequence) -> list[FromEngine]:
        """What is forced before anything is drawn. The last token of the prompt is yet to be fed."""
        return self._jump(row, row.known[-1:])

    def _jump(self, row: Sequence, unfed: Seq[int] = ()) -> list[FromEngine]:
        run = forced_run(row, self._shortest_run)
        if not run:
            return []
        messages = accept(row, run)
        if not row.finished:
            row.jump([*unfed, *run])
        return messages

    def sample(self, rows: list[Sequence], logits: mx.array | None) -> list[FromEngine]:
        """Draw the next token of the rows that go on and do not jump; failures of those whose grammar cannot."""
        live = [i for i, row in enumerate(rows) if row.drawing]
        if logits is None or not live:
            return []
        raw = logits if len(live) == len(rows) else logits[mx.array(live)]
        rows = [rows[i] for i in live]
        failures: list[FromEngine] = []
        shaped = self._masked(rows, _penalised(rows, raw), failures)
        sampling, places = [row.request.sampling for row in rows], [row.output for row in rows]
        drawn = draw(shaped, raw, sampling, places, self._runner.ops)
        mx.async_eval(drawn.arrays)
        self._rows, self._drawn = rows, drawn
        return failures

    def _inputs(self, rows: list[Sequence]) -> mx.array:
        """The token that each row feeds `[B]`: the one drawn in the step before, or the last known."""
        if self._drawn is not None and self._rows == rows:
            return self._drawn.tokens
        index = {id(row): i for i, row in enumerate(self._rows)}
        kept = [index[id(row)] for row in rows if id(row) in index]
        joining = [row.known[-1] for row in rows if id(row) not in index]
        parts = [self._drawn.tokens[mx.array(kept)]] if self._drawn is not None and kept else []
        if joining:
            parts.append(mx.array(joining, dtype=mx.uint32))
        return mx.concatenate(parts) if len(parts) > 1 else parts[0]

    def _masked(self, rows: list[Sequence], logits: mx.array, failures: list[FromEngine]) -> mx.array:
        if not any(_constrained(row) for row in rows):
            return logits
        masks = np.full((len(rows), -(-self._vocab_size // 32)), -1, dtype=np.int32)
        for words, row in zip(masks, rows, strict=True):
            _fill(words, row, failures)
        return apply_token_mask(logits, mx.array(masks))


def _constrained(row: Sequence) -> bool:
    return bool((row.matcher and row.matcher.active) or (row.thinking and row.thinking.forced is not None))


def _fill(words: NDArray[np.int32], row: Sequence, failures: list[FromEngine]) -> None:
    try:
        if row.matcher is not None:
            row.matcher.fill(words)
    except GrammarError as error:
        failures.append(row.fail("invalid_request", f"the output grammar cannot be followed: {error}"))
        return
    if row.thinking is not None:
        row.thinking.restrict(words)


def _penalised(rows: Seq[Sequence], logits: mx.array) -> mx.array:
    """Logits with penalties and biases, for the rows that ask."""
    if not any(row.penalties for row in rows):
        return logits
    pairs = zip(rows, logits, strict=True)
    return mx.stack([r.penalties.apply(x) if r.penalties else x.astype(mx.float32) for r, x in pairs])
