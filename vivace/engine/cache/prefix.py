"""The prefix cache as the step loop sees it: caches for a sequence that begins, and back from one that ends."""

import logging
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

from vivace.engine.cache.chain import BLOCK, Chain, block_ends, root_key
from vivace.engine.cache.disk import Disk
from vivace.engine.cache.explain import Case, Explanations, explain
from vivace.engine.cache.find import Finder, Found, Holder
from vivace.engine.cache.layout import Layout, Part
from vivace.engine.cache.match import Match, Needs
from vivace.engine.cache.ram import Idle, RamTier
from vivace.engine.cache.restore import PIECE_BYTES, nbytes_of_rows, put_together
from vivace.engine.cache.snapshots import Snapshot
from vivace.engine.cache.ssd import SsdTier
from vivace.engine.cache.stops import EVERY, named, stops_of, superseded
from vivace.engine.sequence import Sequence
from vivace.protocol import CacheExplanation, CacheMatch, Generate

log = logging.getLogger("vivace.engine")

STORE_EVERY = 512  # tokens of output after which full blocks go to the SSD tier
WORTH_WAITING = 128  # tokens that another sequence's prefill must save for it to be waited for

_END = object()


@dataclass(frozen=True)
class Storage:
    """How a model's prefixes are kept. `salt`: what makes a stored block mean something else; `disk`: the SSD tier;
    `cells`: see `Needs`, as the native kernels have it."""

    layout: Layout
    salt: str = ""
    disk: Disk | None = None
    cells: bool = False


class PrefixCache:
    """Engine thread only; `wake` is called from the thread that reads the SSD tier.

    Args:
        make_caches: empty layer caches for a request.
        limit: bytes that the RAM tier may hold now.
        prefill_rate: tokens/s, now.
    """

    def __init__(
        self,
        storage: Storage,
        make_caches: Callable[[Generate], list[Any]],
        limit: Callable[[], int],
        prefill_rate: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        layout, disk = storage.layout, storage.disk
        self.ram = RamTier(self._demote)
        self._layout = layout
        self._needs = Needs(layout.window, layout.has_state, bool(layout.full), storage.cells)
        self._make_caches = make_caches
        self._limit = limit
        self._wake = wake
        self._salt = storage.salt
        self._disk = disk
        self._finder = Finder(layout, self._needs, self.ram, disk, prefill_rate)
        self._arrived: queue.SimpleQueue[tuple[Sequence, Found, list[Any]]] = queue.SimpleQueue()
        self.explanations = Explanations()
        self.prompt_tokens = self.cached_tokens = 0  # of all requests so far
        self._placing: deque[tuple[Sequence, Iterator[int]]] = deque()

    @property
    def problem(self) -> str:
        """Why no prefix can be kept, "" if they can."""
        return self._layout.problem

    @property
    def tier(self) -> SsdTier | None:
        return None if self._disk is None else self._disk.tier

    def expect(self, sequence: Sequence) -> None:
        """A request has come."""
        sequence.chain = self._chain(sequence.request.prompt, sequence.request.salt)

    def begin(self, sequence: Sequence, live: Iterable[Sequence]) -> None:
        """Give a sequence caches with the longest prefix to be had; `restoring` until `settle` if that takes time.

        `live`: sequences that have caches.
        """
        request = sequence.request
        sequence.leader = None
        sequence.caches = self._make_caches(request)
        self.prompt_tokens += len(request.prompt) if not sequence.misread else 0
        found = self._find(sequence.chain, request.session, live, disk=not sequence.misread)
        self.explanations.keep(self._explain(sequence.chain, found, request.id, sequence.misread))
        if self._layout.problem:
            return
        self._take_source(sequence, found)
        if found.entries:
            sequence.restoring = True
            assert self._disk is not None
            self._disk.tier.read(found.entries, lambda read: self._come(sequence, found, read))
        elif nbytes_of_rows(found.payloads) > PIECE_BYTES:
            sequence.restoring = True
            self._placing.append((sequence, self._place(sequence, found, found.payloads)))
        else:
            deque(self._place(sequence, found, found.payloads), maxlen=0)

    def would_find(self, query: CacheMatch, live: Iterable[Sequence]) -> CacheExplanation:
        """What a request with this prompt would be given now."""
        chain = self._chain(query.prompt, query.salt)
        return self._explain(chain, self._find(chain, query.session, live), "")

    def forget(self, live: Iterable[Sequence]) -> int:
        """Let go of all that memory holds, but for running sequences; bytes that are free again."""
        freed = self.ram.nbytes
        self.ram.clear()
        self.explanations.clear()
        for sequence in live:
            sequence.stored = sequence.next_store = 0  # the SSD tier is to forget it too
        return freed

    @property
    def placing(self) -> bool:
        """Blocks wait to be put in place by `settle`."""
        return bool(self._placing)

    def settle(self, live: Iterable[Sequence], budget_s: float) -> list[Sequence]:
        """Put blocks in place that have come, for about so long; sequences that have their caches now."""
        ready: list[Sequence] = []
        while not self._arrived.empty():
            sequence, found, read = self._arrived.get()
            if all(payload is not None for payload in read) and not sequence.finished:
                rest = iter(read)
                payloads = [next(rest) if p is None else p for p in found.payloads]
                self._placing.append((sequence, self._place(sequence, found, payloads)))
                continue
            sequence.restoring = False
            self._keep(sequence, found.match.from_source)
            if not sequence.finished:  # something is gone from the disk since it was found
                sequence.misread = True
                self.begin(sequence, live)
                ready += [] if sequence.restoring else [sequence]
        return ready + self._go_on(monotonic() + budget_s)

    def _go_on(self, until: float) -> list[Sequence]:
        """A sequence that was cancelled meanwhile is brought to its end: others can use what it has then."""
        ready: list[Sequence] = []
        while self._placing:
            sequence, pieces = self._placing[0]
            if next(pieces, _END) is _END:
                self._placing.popleft()
                sequence.restoring = False
                if sequence.finished:
                    self._keep(sequence, sequence.fed)
                else:
                    ready.append(sequence)
            if monotonic() >= until:
                break
        return ready

    def snapshot(self, sequence: Sequence) -> Snapshot | None:
        """Recurrent state where a chunk of its prompt ends, if it is kept there; the chunk may still be computed."""
        return Snapshot.take(sequence.caches) if self._needs.state and sequence.fed in sequence.stops else None

    def after_chunk(self, sequence: Sequence, position: int, snapshot: Snapshot | None) -> None:
        """A chunk of its prompt up to `position` is computed: keep what is worth it there."""
        sequence.kept = position
        if self._layout.problem:
            return
        request = sequence.request
        durable = position in named(request, self._needs.limit(len(request.prompt)))
        if position in sequence.stops:
            self._keep_position(sequence, position, snapshot, durable=durable)
            self._thin(sequence, position)
        self._store(sequence, position, partial=durable and self._layout.positional)

    def after_step(self, rows: Iterable[Sequence]) -> None:
        """Rows have got a token each."""
        if self._disk is not None:
            for row in rows:
                if row.fed >= row.next_store:
                    self._store(row, row.fed, partial=False)

    def end(self, sequence: Sequence) -> None:
        """Take over the caches of a sequence that has ended. They must be its own again, not the batch's."""
        if sequence.restoring:
            return  # `settle` will
        length = sequence.fed
        if length and not self._layout.problem:
            if self._layout.positional:
                state = Snapshot.take(sequence.caches) if self._needs.state else None
                self._keep_position(sequence, length, state, durable=True)
            self._store(sequence, length, partial=True)
            if self._disk is not None:
                self._disk.touch(sequence.chain, length, self._needs.state)
        self._keep(sequence, length)
        self.fit()

    def fit(self) -> bool:
        """Keep to the limit, which may have changed; whether something had to go."""
        before = self.ram.evictions
        self.ram.fit(self._limit())
        return self.ram.evictions > before

    def close(self) -> None:
        """Write what waits to be written."""
        if self._disk is not None:
            self._disk.tier.close()

    def waits(self, sequence: Sequence, live: Iterable[Sequence]) -> bool:
        """Whether another sequence is computing a beginning that this one can have soon."""
        if self._layout.problem:
            return False
        leader = sequence.leader
        if leader is None or leader.finished or leader.kept >= sequence.lead:
            sequence.leader = next((other for other in live if self._leads(other, sequence)), None)
        return sequence.leader is not None

    def _chain(self, prompt: list[int], salt: str) -> Chain:
        return Chain(root_key(f"{self._salt}\0{salt}"), prompt)

    def _find(self, chain: Chain, session: str, live: Iterable[Sequence], *, disk: bool = True) -> Found:
        if self._layout.problem:
            return Found(Match())
        holders = [Holder(s.chain, s.caches, s.fed) for s in live if s.caches and not s.restoring]
        return self._finder.find(chain, self._needs.limit(len(chain)), session, holders, disk=disk)

    def _explain(self, chain: Chain, found: Found, request: str, misread: bool = False) -> CacheExplanation:
        case = Case(chain, self._needs.limit(len(chain)), found, self._layout.positional, misread)
        return explain(case, request, self.ram.tree, self._behind_on_disk)

    def _behind_on_disk(self, key: bytes) -> list[bytes]:
        """Tokens of the blocks that the SSD tier has behind this one."""
        return [] if self._disk is None else [entry.tokens for entry in self._disk.tier.children(key)]

    def _leads(self, other: Sequence, sequence: Sequence) -> bool:
        limit = self._needs.limit(min(len(sequence.request.prompt), len(other.request.prompt)))
        common = sequence.chain.common(other.chain, limit)
        reach = common
        if self._layout.positional:
            reach = max((stop for stop in other.stops if stop <= common), default=0)
        sequence.lead = reach
        return reach - other.cached >= WORTH_WAITING and other.kept < reach

    def _take_source(self, sequence: Sequence, found: Found) -> None:
        holder, position = found.holder, found.match.from_source
        if holder is None:
            return
        windows = found.match.windows_from_source
        if holder.idle is not None and found.taken:
            idle = holder.idle
            self.ram.take(idle)
            self.ram.devalue(idle.marks)
            if self._disk is None:
                self._keep_blocks(idle, position // BLOCK * BLOCK)
            sequence.caches = idle.caches
            sequence.uses, sequence.stored = idle.uses + 1, min(idle.stored, position // BLOCK * BLOCK)
            self._layout.truncate(idle.caches, position, windows)
        else:
            self._layout.copy(holder.caches, sequence.caches, position, windows)

    def _place(self, sequence: Sequence, found: Found, payloads: list[Any]) -> Iterator[int]:
        """Bring the sequence to where it begins, in pieces."""
        request, position = sequence.request, found.match.position
        yield from put_together(self._layout, self._needs, found.match, found.wanted, payloads, sequence.caches)
        sequence.begin_at(position)
        self.cached_tokens += position
        sequence.stored = max(sequence.stored, position // BLOCK * BLOCK) if self._disk else 0
        sequence.stops = (
            stops_of(request, position, self._needs.limit(len(request.prompt))) if self._layout.positional else []
        )
        rank = self.ram.rank_of(sequence.uses, request.session)
        self.ram.touch([piece.key for piece in found.wanted], rank)

    def _come(self, sequence: Sequence, found: Found, read: list[Any]) -> None:
        """On the reader's thread."""
        self._arrived.put((sequence, found, read))
        self._wake()

    def _keep_position(self, sequence: Sequence, position: int, snapshot: Snapshot | None, durable: bool) -> None:
        """The recurrent state and the windows at a position, behind which the caches are not far."""
        rank = self.ram.rank_of(sequence.uses, sequence.request.session)
        chain = sequence.chain
        disk = self._disk if durable else None
        sequence.marks.append(chain.key_at(position))
        if snapshot is not None:
            self.ram.put(chain, position, "state", snapshot, rank)
            if disk is not None and not disk.has(chain, position, "state"):
                disk.put(chain, position, "state", snapshot.encode())
        if self._needs.window:
            start = self._needs.window_start(position)
            rows = self._layout.extract(sequence.caches, "window", start, position)
            self._put_rows(chain, "window", start, position, rows, rank)
            if disk is not None:
                disk.put_rows(chain, "window", start, position, rows)

    def _put_rows(self, chain: Chain, part: Part, start: int, end: int, rows: list[Any], rank: float) -> None:
        for stop, row in zip(block_ends(start, end), rows, strict=True):
            if not self.ram.tree.has(chain.key_at(stop), part):
                self.ram.put(chain, stop, part, bytes(row), rank)  # a copy: rows share one buffer

    def _thin(self, sequence: Sequence, position: int) -> None:
        """Fewer snapshots of a long prefill, the further back the fewer."""
        if position % EVERY == 0:
            kept = named(sequence.request, self._needs.limit(len(sequence.request.prompt)))
            for place in superseded(position):
                if place not in kept:
                    self.ram.forget(sequence.chain.key_at(place), "state")

    def _store(self, sequence: Sequence, position: int, partial: bool) -> None:
        """Queue for the SSD tier what is not there; with `partial` up to `position`, else full blocks only."""
        if self._disk is None or self._layout.problem or not self._layout.full:
            return
        sequence.next_store = position + STORE_EVERY
        whole = position // BLOCK * BLOCK
        if whole > sequence.stored:
            sequence.stored = self._disk.store(sequence.chain, sequence.caches, "full", sequence.stored, whole)
        if partial and position > whole == sequence.stored:
            self._disk.store(sequence.chain, sequence.caches, "full", whole, position)

    def _keep(self, sequence: Sequence, length: int) -> None:
        """The caches of the sequence, good for its first `length` tokens, are idle now."""
        caches, sequence.caches = sequence.caches, []
        if not length or self._layout.problem:
            return
        self._layout.without_state(caches)
        nbytes = self._layout.held_bytes(caches)
        session = sequence.request.session
        idle = Idle(sequence.chain, caches, length, nbytes, session, sequence.uses, sequence.stored, sequence.marks)
        self.ram.keep(idle)

    def _demote(self, idle: Idle) -> None:
        """Slabs have to go: keep them as blocks, if that is the only copy."""
        if self._disk is None:
            self._keep_blocks(idle, 0)
        else:
            self.ram.tree.remember(idle.chain.keys(1, idle.length // BLOCK))

    def _keep_blocks(self, idle: Idle, start: int) -> None:
        """Keep tokens from `start` on, which begins a block, as blocks in memory."""
        chain, tree = idle.chain, self.ram.tree
        while start < idle.length and tree.has(chain.key_at(min(start + BLOCK, idle.length)), "full"):
            start += BLOCK
        if start < idle.length and self._layout.full:
            rows = self._layout.extract(idle.caches, "full", start, idle.length)
            self._put_rows(chain, "full", start, idle.length, rows, idle.rank)
        for end in self._places(chain, idle.length):
            rows = self._layout.extract(idle.caches, "full", end // BLOCK * BLOCK, end)
            self._put_rows(chain, "full", end // BLOCK * BLOCK, end, rows, idle.rank)

    def _places(self, chain: Chain, length: int) -> list[int]:
        """Positions within blocks, up to `length`, at which something is kept that needs the full part too."""
        if not self._layout.positional or not self._layout.full:
            return []
        lengths = self.ram.tree.partials
        ends = (i * BLOCK + rest for i in range(length // BLOCK + 1) for rest in lengths.get(chain.key(i), ()))
        return [end for end in ends if end <= length and self.ram.tree.knows(chain.key_at(end))]
