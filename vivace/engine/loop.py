"""The step loop. The host's work hides behind the device's: see `step`."""

import logging
import math
import queue
from collections.abc import Callable
from collections.abc import Sequence as Seq
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic

from vivace.engine.admission import Limits, refusal
from vivace.engine.cache.inquiries import Inquiries
from vivace.engine.cache.prefix import PrefixCache, Storage
from vivace.engine.decode import Decoder
from vivace.engine.device import give_back, spare_bytes
from vivace.engine.matcher import GrammarCompiler, GrammarError, Matcher
from vivace.engine.penalties import Penalties, wants_penalties
from vivace.engine.prefill import Prefiller
from vivace.engine.runner import Runner
from vivace.engine.scheduler import Plan, View, Waiting, plan_step
from vivace.engine.sequence import Sequence
from vivace.engine.thinking import ThinkingBudget
from vivace.protocol import CacheMatch, CacheQuery, Cancel, Drain, FromEngine, Generate, Progress

log = logging.getLogger("vivace.engine")
Emit = Callable[[Seq[FromEngine]], None]
IDLE_S = 2.0  # without work, after which memory kept for reuse is given back
LOOK_S = 10.0  # between two looks at whether the system is short of memory, while there is nothing to do


@dataclass(frozen=True)
class Wake:
    """Look again: something that the loop waits for has happened elsewhere."""


Inbox = Generate | Cancel | CacheQuery | CacheMatch | Drain | Wake


class Loop:
    """Owns MLX; other threads only `submit`.

    Attributes:
        steps, busy: show the supervisor that the loop moves, and whether it should.
        waiting: sequences that are queued or in prefill, by id; rows: those that decode.
    """

    def __init__(
        self,
        runner: Runner,
        compiler: GrammarCompiler,
        limits: Limits,
        prefill_rate: float,
        emit: Emit,
        storage: Storage,
    ) -> None:
        self.limits = limits
        self.steps = 0
        self.waiting: dict[str, Sequence] = {}
        self.rows: list[Sequence] = []
        self._runner = runner
        self._compiler = compiler
        self._emit = emit
        self._decoder = Decoder(runner, limits.vocab_size, limits.shortest_run)
        self._prefix = PrefixCache(
            storage,
            runner.make_caches,
            limit=self._prefix_bytes,
            prefill_rate=lambda: self._prefiller.rate,
            wake=lambda: self.submit(Wake()),
        )
        self._inquiries = Inquiries(self._prefix, self._prefix_bytes, emit)
        self._prefiller = Prefiller(runner, prefill_rate, self._prefix.snapshot)
        self._draining = False
        self._inbox: queue.SimpleQueue[Inbox] = queue.SimpleQueue()

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.rows)

    def submit(self, message: Inbox) -> None:
        """From any thread."""
        self._inbox.put(message)

    def run(self) -> None:
        """Work until a Drain has been served."""
        while not (self._draining and not self.busy):
            self.turn(block=True)
        self._prefix.close()

    def turn(self, block: bool = False) -> None:
        """Take the inbox and make one step, if there is work. With `block`, wait for a message when there is none."""
        self._take_inbox(block and not self._has_work())
        self._greet(self._prefix.settle(self._holding(), self.limits.budget_s if self.rows else math.inf))
        if self._has_work():
            self.step()

    def step(self) -> None:
        """Queue the forward of the tokens that are still on the device; look at them while it runs; sample from it
        with the masks found meanwhile; then queue a chunk of prefill, first of tokens that were found to be forced."""
        self.steps += 1
        rows = self._rows_of_this_step()
        leaving = [row for row in self.rows if row not in rows]
        for row in leaving:
            self._runner.leave(row)
        logits = self._decoder.forward(rows)
        self._emit(self._decoder.deliver())
        self._emit(self._decoder.sample(rows, logits))
        self._prefix.after_step(rows)
        self._sort([*leaving, *rows])
        plan = plan_step(self._view())
        self._admit(plan)
        self._prefill(plan)

    def _sort(self, rows: list[Sequence]) -> None:
        """Which rows go on; those that jump are in prefill again."""
        self.rows = [row for row in rows if row.drawing]
        for row in rows:
            if row.finished:
                self._retire(row)
            elif row.prefill_left:
                self._runner.leave(row)
                self.waiting[row.id] = row
        if not self.rows:
            self._runner.release()

    def _has_work(self) -> bool:
        if self.rows or self._decoder.busy or self._prefiller.busy or self._prefix.placing or self._may_admit():
            return True
        return any(s.filling or (_has_caches(s) and _grammar_ready(s)) for s in self.waiting.values())

    def _may_admit(self) -> bool:
        new = [s for s in self.waiting.values() if s.admitted is None]
        if not new or self._room() <= 0:
            return False
        nobody_holds = len(new) == len(self.waiting) and not self.rows
        return nobody_holds or min(self._nbytes(s) for s in new) <= self._free_bytes()

    def _unadmitted(self) -> int:
        return sum(s.admitted is None for s in self.waiting.values())

    def _room(self) -> int:
        """Places in the batch that nobody holds."""
        admitted = len(self.waiting) - self._unadmitted()
        return self.limits.max_batch - len(self.rows) - admitted

    def _take_inbox(self, block: bool) -> None:
        try:
            if block:
                self._handle(self._wait())
            while True:
                self._handle(self._inbox.get(block=False))
        except queue.Empty:
            return

    def _wait(self) -> Inbox:
        """The next message. Meanwhile memory goes back to the system, and later again as others need it."""
        pause = IDLE_S
        while True:
            try:
                return self._inbox.get(timeout=pause)
            except queue.Empty:
                if self._prefix.fit() or pause == IDLE_S:
                    give_back()
                pause = LOOK_S

    def _handle(self, message: Inbox) -> None:
        match message:
            case Generate():
                self._accept(message)
            case Cancel():
                self._cancel(message.id)
            case CacheQuery() | CacheMatch():
                self._inquiries.answer(message, self._holding())
            case Drain():
                self._draining = True
            case Wake():
                pass

    def _accept(self, request: Generate) -> None:
        refused = refusal(request, self.limits, self._unadmitted() - self._room(), self._draining)
        if refused:
            self._emit([refused])
            return
        sequence = Sequence(request)
        self._prefix.expect(sequence)
        if request.grammar is not None:
            sequence.grammar = self._compiler.submit(request.grammar, request.stop_ids)
            sequence.grammar.add_done_callback(lambda _: self.submit(Wake()))
        if wants_penalties(request.sampling):
            sequence.penalties = Penalties(request.sampling, request.prompt, self.limits.vocab_size)
        if request.thinking is not None:
            sequence.thinking = ThinkingBudget(request.thinking)
        self.waiting[request.id] = sequence

    def _cancel(self, request_id: str) -> None:
        sequence = self.waiting.pop(request_id, None)
        sequence = sequence or next((row for row in self.rows if row.id == request_id), None)
        if sequence is not None and not sequence.finished:
            if sequence.grammar is not None:
                sequence.grammar.cancel()  # if its compilation has not begun
            self._emit([sequence.finish("cancelled")])
            self._retire(sequence)

    def _view(self) -> View:
        now = monotonic()
        limits = self.limits
        live = self._holding() if self._room() > 0 else []
        waiting = tuple(
            Waiting(
                s.id,
                0 if s.restoring else s.prefill_left,
                s.request.priority,
                now - s.arrived,
                admitted=s.admitted is not None,
                nbytes=self._nbytes(s),
                begun=not s.in_prompt,
                segment=s.until_stop(s.prefill_left) if s.filling else 0,
            )
            for s in self.waiting.values()
            if s.admitted is not None or not self._prefix.waits(s, live)
        )
        return View(
            waiting,
            decoding=len(self.rows),
            max_batch=limits.max_batch,
            chunk=limits.chunk,
            prefill_rate=self._prefiller.rate,
            budget_s=limits.budget_s,
            free_bytes=self._free_bytes(),
        )

    def _nbytes(self, sequence: Sequence) -> int:
        """What the caches of a sequence take now or are expected to take."""
        cost, request = self.limits.cost, sequence.request
        return max(cost.expected(len(request.prompt), request.max_tokens), cost.nbytes(sequence.fed))

    def _free_bytes(self) -> int:
        return self.limits.cache_bytes - sum(self._nbytes(s) for s in self._holding())

    def _holding(self) -> list[Sequence]:
        """Sequences with a place in the batch."""
        return [*self.rows, *(s for s in self.waiting.values() if s.admitted is not None)]

    def _prefix_bytes(self) -> int:
        """What the prefix cache may hold: running sequences, and other programs, come first."""
        held = self._prefix.ram.nbytes
        return min(self.limits.prefix_bytes, self._free_bytes(), held + spare_bytes())

    def _admit(self, plan: Plan) -> None:
        for request_id in plan.admit:
            sequence = self.waiting[request_id]
            live = self._holding()
            if self._prefix.waits(sequence, live):
                continue  # for one that was admitted just now
            sequence.admitted = monotonic()
            self._prefix.fit()
            self._prefix.begin(sequence, live)
            if not sequence.restoring:
                self._greet([sequence])

    def _greet(self, sequences: Seq[Sequence]) -> None:
        """Say how much of the prompt was in the cache, for sequences that have their caches now."""
        self._emit([Progress(s.id, s.cached, len(s.request.prompt), s.cached) for s in sequences if s.cached])

    def _retire(self, sequence: Sequence) -> None:
        """What an ended sequence has computed goes into the prefix cache."""
        if sequence.caches:
            self._runner.leave(sequence)
            self._prefix.end(sequence)

    def _rows_of_this_step(self) -> list[Sequence]:
        """Rows that go on, then those whose prompt is done."""
        going_on = [row for row in self.rows if not row.finished and not self._decoder.is_last(row)]
        return going_on + self._joining()

    def _joining(self) -> list[Sequence]:
        """Takes sequences out of the queue that have nothing to prefill and whose grammar is compiled."""
        filled = [s for s in self.waiting.values() if _has_caches(s) and not s.prefill_left]
        ready = [s for s in filled if _grammar_ready(s) and not self._prefiller.holds(s)]
        for sequence in ready:
            if sequence.grammar is not None and sequence.matcher is None:
                self._take_matcher(sequence, sequence.grammar)
        done = [sequence for sequence in ready if not sequence.prefill_left]  # the grammar may force something first
        for sequence in done:
            del self.waiting[sequence.id]
            if not sequence.request.max_tokens:
                self._emit([sequence.finish("length")])  # it only wanted its prompt in the cache
            if sequence.finished:
                self._retire(sequence)
        return [sequence for sequence in done if not sequence.finished]

    def _take_matcher(self, sequence: Sequence, grammar: "Future[Matcher]") -> None:
        try:
            sequence.matcher = grammar.result()
        except GrammarError as error:
            self._emit([sequence.fail("invalid_request", f"the output grammar cannot be used: {error}")])
        else:
            self._emit(self._decoder.begin(sequence))

    def _filling(self, plan: Plan) -> list[tuple[Sequence, int]]:
        planned = [(self.waiting[i], tokens) for i, tokens in plan.prefill if tokens and i in self.waiting]
        return [(sequence, tokens) for sequence, tokens in planned if sequence.filling]

    def _prefill(self, plan: Plan) -> None:
        """Wait for the chunk before, then queue the next."""
        for sequence, position, snapshot in self._prefiller.collect():
            self._prefix.after_chunk(sequence, position, snapshot)
            self._emit([Progress(sequence.id, position, len(sequence.request.prompt), sequence.cached)])
        shares = [(s, s.until_stop(tokens)) for s, tokens in self._filling(plan)]
        if shares:
            self._prefiller.queue(shares)


def _has_caches(sequence: Sequence) -> bool:
    return sequence.admitted is not None and not sequence.restoring


def _grammar_ready(sequence: Sequence) -> bool:
    return sequence.grammar is None or sequence.grammar.done()
