"""The step loop: the host's work hides behind the device's.

One pass: put the forward of the tokens that are still on the device into the queue, then look at the tokens of the
pass before (they were ready before this forward began, so nothing waits), stop, match and send; then sample with masks
that were computed while the forward ran; then one chunk of prefill. A row that turns out to have stopped has one
wasted column in the forward that was already queued.
"""

import logging
import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic

import mlx.core as mx
import numpy as np

from vivace.engine.matcher import GrammarCompiler, GrammarError, Matcher
from vivace.engine.penalties import Penalties, wants_penalties
from vivace.engine.runner import Runner
from vivace.engine.sampler import Drawn, draw
from vivace.engine.scheduler import MIN_CHUNK, Plan, View, Waiting, plan_step
from vivace.engine.sequence import Sequence
from vivace.kernels.token_mask import apply_token_mask
from vivace.protocol import Cancel, Drain, Failed, FromEngine, Generate, Progress, Tokens

log = logging.getLogger("vivace.engine")
Emit = Callable[[list[FromEngine]], None]


@dataclass(frozen=True)
class Wake:
    """Nothing to do but to look again: something that the loop waits for has happened elsewhere."""


Inbox = Generate | Cancel | Drain | Wake


@dataclass
class Chunk:
    """Prefill that is on the device: when it was queued, how many tokens, of whom, and the arrays that end it."""

    started: float
    tokens: int
    sequences: list[Sequence]
    arrays: list[mx.array]


@dataclass
class Limits:
    """What the loop keeps to. `vocab_size` is the width of the logits."""

    context: int
    max_batch: int
    max_waiting: int
    chunk: int
    budget_s: float
    vocab_size: int
    prefill_rate: float


@dataclass
class Loop:
    """Owns MLX; other threads only `submit`. `steps` and `busy` show the supervisor that it moves."""

    runner: Runner
    compiler: GrammarCompiler
    limits: Limits
    emit: Emit
    steps: int = 0
    draining: bool = False
    waiting: dict[str, Sequence] = field(default_factory=dict)  # queued or in prefill
    rows: list[Sequence] = field(default_factory=list)  # decoding
    _pending: tuple[list[Sequence], Drawn] | None = None
    _chunk: Chunk | None = None
    _inbox: "queue.SimpleQueue[Inbox]" = field(default_factory=queue.SimpleQueue)

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.rows)

    def submit(self, message: Inbox) -> None:
        """From any thread."""
        self._inbox.put(message)

    def run(self) -> None:
        """Work until a Drain has been served."""
        while not (self.draining and not self.busy):
            self._take_inbox(block=not self._has_work())
            if self._has_work():
                self.step()

    def step(self) -> None:
        """One pass: forward, deliver the pass before, sample, prefill."""
        self.steps += 1
        plan = plan_step(self._view())
        self._admit(plan)
        rows = self._rows_of_this_step()
        logits = self._forward(rows)
        self._deliver()
        self.rows = [row for row in rows if not row.finished]
        self._sample(rows, logits)
        self._prefill(plan)

    # inbox

    def _has_work(self) -> bool:
        return bool(self.rows or self._pending or self._chunk or any(self._can_move(s) for s in self.waiting.values()))

    def _can_move(self, sequence: Sequence) -> bool:
        return (
            sequence.prefill_left > 0
            or sequence.admitted is None
            or sequence.grammar is None
            or sequence.grammar.done()
        )

    def _take_inbox(self, block: bool) -> None:
        try:
            while True:
                self._handle(self._inbox.get(block))
                block = False
        except queue.Empty:
            return

    def _handle(self, message: Inbox) -> None:
        match message:
            case Generate():
                self._accept(message)
            case Cancel():
                self._cancel(message.id)
            case Drain():
                self.draining = True
            case Wake():
                pass

    def _accept(self, request: Generate) -> None:
        refusal = self._refusal(request)
        if refusal:
            self.emit([refusal])
            return
        sequence = Sequence(request)
        if request.grammar is not None:
            sequence.grammar = self.compiler.submit(request.grammar)
            sequence.grammar.add_done_callback(lambda _: self.submit(Wake()))
        if wants_penalties(request.sampling):
            sequence.penalties = Penalties(request.sampling, request.prompt, self.limits.vocab_size)
        self.waiting[request.id] = sequence

    def _refusal(self, request: Generate) -> Failed | None:
        """Why a request is not taken; checked before any work is done."""
        context, size = self.limits.context, len(request.prompt)
        if self.draining:
            return Failed(request.id, "overloaded", "the server is shutting down")
        if sum(s.admitted is None for s in self.waiting.values()) >= self.limits.max_waiting:
            return Failed(request.id, "overloaded", f"{self.limits.max_waiting} requests are waiting already")
        if size >= context:
            return Failed(request.id, "prompt_too_long", f"the prompt has {size} tokens, the context is {context}")
        if not request.prompt or not all(0 <= token < self.limits.vocab_size for token in request.prompt):
            return Failed(request.id, "invalid_request", f"token ids must be 0 to {self.limits.vocab_size - 1}")
        return None

    def _cancel(self, request_id: str) -> None:
        sequence = self.waiting.pop(request_id, None)
        sequence = sequence or next((row for row in self.rows if row.id == request_id), None)
        if sequence is not None and not sequence.finished:
            sequence.finished = True
            self.emit([sequence.finish("cancelled")])

    def _fail(self, sequence: Sequence, kind: str, message: str) -> None:
        sequence.finished = True
        self.waiting.pop(sequence.id, None)
        self.emit([Failed(sequence.id, kind, message)])  # type: ignore[arg-type]  # callers pass the literals

    # plan

    def _view(self) -> View:
        now = monotonic()
        waiting = tuple(
            Waiting(s.id, s.prefill_left, s.request.priority, now - s.arrived, s.admitted is not None)
            for s in self.waiting.values()
        )
        limits = self.limits
        return View(waiting, len(self.rows), limits.max_batch, limits.chunk, limits.prefill_rate, limits.budget_s)

    def _admit(self, plan: Plan) -> None:
        for request_id in plan.admit:
            sequence = self.waiting[request_id]
            sequence.admitted = monotonic()
            self.runner.begin(sequence)

    def _rows_of_this_step(self) -> list[Sequence]:
        """Rows of the step before that go on, then those whose prompt is done."""
        pending = {id(row) for row in self._pending[0]} if self._pending else set()
        going_on = [
            row
            for row in self.rows
            if not row.finished and not (id(row) in pending and row.output + 1 >= row.request.max_tokens)
        ]
        return going_on + [s for s in list(self.waiting.values()) if self._joins(s)]

    def _joins(self, sequence: Sequence) -> bool:
        """Whether the prompt is done and the grammar there; then the sequence leaves the queue."""
        if sequence.admitted is None or sequence.prefill_left > 0:
            return False
        if sequence.grammar is not None:
            if not sequence.grammar.done():
                return False
            if not self._take_matcher(sequence, sequence.grammar):
                return False
        del self.waiting[sequence.id]
        return True

    def _take_matcher(self, sequence: Sequence, grammar: "Future[Matcher]") -> bool:
        try:
            sequence.matcher = grammar.result()
        except GrammarError as error:
            self._fail(sequence, "invalid_request", f"the output grammar cannot be used: {error}")
            return False
        return True

    # decode

    def _forward(self, rows: list[Sequence]) -> mx.array | None:
        """Queue the forward of this step; logits `[B, V]`."""
        if not rows:
            return None
        logits = self.runner.decode(rows, self._inputs(rows))
        mx.async_eval(logits)
        return logits

    def _inputs(self, rows: list[Sequence]) -> mx.array:
        """The token that each row feeds `[B]`: drawn in the step before, or the last of the prompt."""
        before, drawn = self._pending or ([], None)
        if drawn is not None and before == rows:
            return drawn.tokens
        index = {id(row): i for i, row in enumerate(before)}
        kept = [index[id(row)] for row in rows if id(row) in index]
        joining = [row.request.prompt[-1] for row in rows if id(row) not in index]
        parts = [drawn.tokens[mx.array(kept)]] if drawn is not None and kept else []
        if joining:
            parts.append(mx.array(joining, dtype=mx.uint32))
        return mx.concatenate(parts) if len(parts) > 1 else parts[0]

    def _deliver(self) -> None:
        """Read, judge and send the tokens of the step before."""
        if self._pending is None:
            return
        rows, drawn = self._pending
        self._pending = None
        tokens = drawn.token_ids()
        logprobs = drawn.logprobs_of_rows() if drawn.logprobs else {}
        messages: list[FromEngine] = []
        for i, (sequence, token) in enumerate(zip(rows, tokens, strict=True)):
            if sequence.finished:
                continue
            sequence.output += 1
            sequence.first_token = sequence.first_token or monotonic()
            if token not in sequence.request.stop_ids:
                messages.append(Tokens(sequence.id, [token], [logprobs[i]] if i in logprobs else None))
            reason = self._judge(sequence, token)
            if reason:
                sequence.finished = True
                messages.append(sequence.finish(reason))
        self.emit(messages)

    def _judge(self, sequence: Sequence, token: int) -> str | None:
        """Why the sequence ends with this token, if it does."""
        if token in sequence.request.stop_ids:
            return "stop"
        if sequence.penalties is not None:
            sequence.penalties.count(token)
        if sequence.matcher is not None:
            try:
                sequence.matcher.consume(token)
            except GrammarError as error:
                self._fail(sequence, "engine_failed", f"the output left its grammar: {error}")
                return None
            if sequence.matcher.complete:
                return "stop"
        return "length" if sequence.output >= sequence.request.max_tokens else None

    def _sample(self, rows: list[Sequence], logits: mx.array | None) -> None:
        """Draw the next token of the rows that go on."""
        live = [i for i, row in enumerate(rows) if not row.finished]
        if logits is None or not live:
            return
        raw = logits if len(live) == len(rows) else logits[mx.array(live)]
        rows = [rows[i] for i in live]
        drawn = draw(self._masked(rows, raw), raw, [r.request.sampling for r in rows], [r.output for r in rows])
        mx.async_eval(drawn.arrays)
        self._pending = (rows, drawn)

    def _masked(self, rows: list[Sequence], logits: mx.array) -> mx.array:
        """Logits with penalties, biases and grammar masks."""
        if any(row.penalties for row in rows):
            scores = [
                r.penalties.apply(x) if r.penalties else x.astype(mx.float32) for r, x in zip(rows, logits, strict=True)
            ]
            logits = mx.stack(scores)
        if any(row.matcher is not None and row.matcher.active for row in rows):
            logits = apply_token_mask(logits, mx.array(self._masks(rows)))
        return logits

    def _masks(self, rows: list[Sequence]) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
        masks = np.full((len(rows), -(-self.limits.vocab_size // 32)), -1, dtype=np.int32)
        for words, row in zip(masks, rows, strict=True):
            if row.matcher is not None:
                try:
                    row.matcher.fill(words)
                except GrammarError as error:
                    self._fail(row, "invalid_request", f"the output grammar cannot be followed: {error}")
        return masks

    # prefill

    def _prefill(self, plan: Plan) -> None:
        """Wait for the chunk before, then queue the next."""
        self._await_chunk()
        sequences = [(self.waiting[i], tokens) for i, tokens in plan.prefill if tokens and i in self.waiting]
        if not sequences:
            return
        started = monotonic()
        arrays = [array for sequence, tokens in sequences for array in self.runner.prefill(sequence, tokens)]
        mx.async_eval(arrays)
        self._chunk = Chunk(started, sum(n for _, n in sequences), [s for s, _ in sequences], arrays)

    def _await_chunk(self) -> None:
        if self._chunk is None:
            return
        chunk, self._chunk = self._chunk, None
        mx.eval(chunk.arrays)
        if chunk.tokens >= MIN_CHUNK:
            rate = chunk.tokens / max(monotonic() - chunk.started, 1e-6)
            self.limits.prefill_rate += 0.3 * (rate - self.limits.prefill_rate)
        live = [s for s in chunk.sequences if not s.finished]
        self.emit([Progress(s.id, s.prefilled, len(s.request.prompt), s.cached) for s in live])
