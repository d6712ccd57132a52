"""The best prefix for a prompt over everything there is: running and idle sequences, blocks in memory, the SSD tier."""

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vivace.engine.cache.chain import BLOCK, Chain
from vivace.engine.cache.disk import Disk
from vivace.engine.cache.layout import Layout, Part
from vivace.engine.cache.match import Match, Needs, Source, match
from vivace.engine.cache.ram import Idle, RamTier
from vivace.engine.cache.restore import Piece, pieces
from vivace.engine.cache.stops import aligned

TAIL = 2048  # tokens behind the prefix that idle slabs of another session may lose when they are taken, not copied
FEW = 3  # sources that are looked at closely


@dataclass(frozen=True)
class Holder:
    """Slabs that hold tokens [0, length) of a chain; `idle` if nobody uses them."""

    chain: Chain
    caches: list[Any]
    length: int
    idle: Idle | None = None


@dataclass(frozen=True)
class Known:
    """What a prompt was compared with, to explain the outcome.

    Of `holders` it is `nearest` that begins with the prompt's first `agreed` tokens. `on_disk`: what the index has of
    it; `slower`: up to where the SSD tier has it, though not faster than it can be computed.
    """

    holders: Sequence[Holder]
    nearest: Holder | None
    agreed: int
    on_disk: Mapping[tuple[bytes, Part], Any]
    slower: int = 0


@dataclass(frozen=True)
class Found:
    """A match, who gives its first tokens, and its other pieces: payloads from memory or entries on disk."""

    match: Match
    holder: Holder | None = None
    taken: bool = False  # the holder's slabs may be taken
    wanted: list[Piece] = field(default_factory=list)
    payloads: list[Any] = field(default_factory=list)
    entries: list[Any] = field(default_factory=list)  # one per payload that is None
    known: Known | None = None


class Finder:
    """`prefill_rate`: tokens/s, now."""

    def __init__(
        self, layout: Layout, needs: Needs, ram: RamTier, disk: Disk | None, prefill_rate: Callable[[], float]
    ) -> None:
        self._layout = layout
        self._needs = needs
        self._ram = ram
        self._disk = disk
        self._prefill_rate = prefill_rate

    def find(self, chain: Chain, limit: int, session: str, live: Sequence[Holder], *, disk: bool = True) -> Found:
        """The longest prefix of at most `limit` tokens that is faster to have than to compute; without the SSD tier if
        not `disk`."""
        everybody = [*live, *(Holder(i.chain, i.caches, i.length, i) for i in self._ram.idle)]
        holders, sources = _best([(h, self._source(h, chain, limit, session)) for h in everybody])
        tree = self._ram.tree
        here = match(chain, limit, sources, tree.has, tree.partials, self._needs)
        reach = sources[0].tokens if sources else 0
        on_disk = self._on_disk(chain, limit, here, reach) if disk else {}
        known = Known(everybody, holders[0] if holders else None, reach, on_disk)
        if on_disk:
            short: dict[bytes, set[int]] = {}
            for entry in on_disk.values():
                if len(entry.tokens) < 4 * BLOCK:
                    lengths = short.setdefault(entry.parent, set(tree.partials.get(entry.parent, ())))
                    lengths.add(len(entry.tokens) // 4)

            def has(key: bytes, part: Part) -> bool:
                return tree.has(key, part) or (key, part) in on_disk

            there = match(chain, limit, sources, has, ChainMap(short, tree.partials), self._needs)
            found = self._found(chain, there, holders, sources, on_disk)
            if self._pays(found, here.position):
                return replace(found, known=known)
            known = replace(known, slower=there.position)
        return replace(self._found(chain, here, holders, sources, {}), known=known)

    def _source(self, holder: Holder, chain: Chain, limit: int, session: str) -> Source:
        tokens = holder.chain.common(chain, min(limit, holder.length))
        tokens = aligned(tokens) if self._needs.cells else tokens
        idle, tail = holder.idle, holder.length - tokens
        ours = idle is not None and bool(session) and idle.session == session
        free = idle is not None and tail <= tokens and (ours or tail <= TAIL)
        first = self._layout.window_from(holder.caches) if tokens and self._needs.window else 0
        return Source(tokens, first, free)

    def _on_disk(self, chain: Chain, limit: int, here: Match, reach: int) -> dict[tuple[bytes, Part], Any]:
        if self._disk is None or limit - here.position < BLOCK:
            return {}
        first = self._needs.window_start(here.position) // BLOCK
        covered = {chain.key(i) for i in range(first, reach // BLOCK + 1)}
        tree = self._ram.tree
        return self._disk.lookup(chain, first, limit, lambda key: key in covered or tree.has(key, "full"))

    def _found(
        self,
        chain: Chain,
        best: Match,
        holders: Sequence[Holder],
        sources: Sequence[Source],
        on_disk: dict[tuple[bytes, Part], Any],
    ) -> Found:
        wanted = pieces(chain, best, self._needs)
        nodes = self._ram.tree.nodes
        payloads = [nodes[p.key].parts.get(p.part) if p.key in nodes else None for p in wanted]
        entries = [on_disk[p.key, p.part] for p, held in zip(wanted, payloads, strict=True) if held is None]
        if best.source is None:
            return Found(best, None, False, wanted, payloads, entries)
        return Found(best, holders[best.source], sources[best.source].free, wanted, payloads, entries)

    def _pays(self, found: Found, without: int) -> bool:
        """Whether reading is faster than computing the tokens that it saves."""
        saved = found.match.position - without
        if saved <= 0 or self._disk is None:
            return False
        return self._disk.seconds(sum(entry.nbytes for entry in found.entries)) < saved / max(self._prefill_rate(), 1.0)


def _best(pairs: list[tuple[Holder, Source]]) -> tuple[list[Holder], list[Source]]:
    """The few that share most with the prompt, most first, and of those that can be taken the best."""
    sharing = sorted((p for p in pairs if p[1].tokens), key=lambda p: (p[1].tokens, p[1].free), reverse=True)
    few = sharing[:FEW] + [p for p in sharing[FEW:] if p[1].free][:1]
    return [holder for holder, _ in few], [source for _, source in few]
