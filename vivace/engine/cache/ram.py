"""The RAM tier: idle slabs and blocks within a limit, and who goes first.

Every item has a rank: the clock when it was last used plus its worth; the lowest goes first and sets the clock (greedy
dual, Cao & Irani 1997). What was used once is worth 1. What was used again is worth more with every use, and most if it
belongs to a named session: so a conversation outlives the side requests that come between its turns, but not for ever.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from vivace.engine.cache.chain import Chain
from vivace.engine.cache.layout import Part
from vivace.engine.cache.snapshots import Snapshot
from vivace.engine.cache.tree import Node, PrefixTree

USES = 8  # beyond which it does not count how often something was used
AGAIN, SESSION = 4.0, 8.0  # worth of a use, from the second on: of any conversation, of a named one


@dataclass(eq=False)
class Idle:
    """The caches of a sequence that has ended, as they were: tokens [0, length) of its chain, `nbytes` with all slack.

    `stored`: tokens of them that were handed to the SSD tier. `marks`: keys of positions where state or windows were
    kept for them.
    """

    chain: Chain
    caches: list[Any]
    length: int
    nbytes: int
    session: str = ""
    uses: int = 1
    stored: int = 0
    marks: list[bytes] = field(default_factory=list)
    rank: float = 0.0


def worth(uses: int, session: str) -> float:
    return 1.0 if uses < 2 else min(uses, USES) * (SESSION if session else AGAIN)


class RamTier:
    """`demote` gets the caches that have to go before they do, to keep them elsewhere."""

    def __init__(self, demote: Callable[[Idle], None]) -> None:
        self.tree = PrefixTree()
        self.idle: list[Idle] = []
        self.nbytes = 0
        self.evictions = 0
        self._clock = 0.0
        self._demote = demote

    def keep(self, idle: Idle) -> None:
        """Take over the caches of a sequence that has ended."""
        idle.rank = self._clock + worth(idle.uses, idle.session)
        self.idle.append(idle)
        self.nbytes += idle.nbytes

    def take(self, idle: Idle) -> None:
        """Give the caches away."""
        self.idle.remove(idle)
        self.nbytes -= idle.nbytes

    def put(self, chain: Chain, end: int, part: Part, payload: Any, rank: float) -> None:
        """Keep a part of the block that ends there; if it is kept already, it counts as used."""
        key = chain.key_at(end)
        if self.tree.has(key, part):
            self.touch([key], rank)
        else:
            node = self.tree.put(chain, end, part, payload)
            node.rank = max(node.rank, rank)
            self.nbytes += nbytes_of(payload)

    def rank_of(self, uses: int, session: str) -> float:
        """The rank of something that is used now."""
        return self._clock + worth(uses, session)

    def touch(self, keys: Sequence[bytes], rank: float) -> None:
        for key in keys:
            node = self.tree.nodes.get(key)
            if node is not None:
                node.rank = max(node.rank, rank)

    def devalue(self, keys: Sequence[bytes]) -> None:
        """Their conversation goes on, and keeps others: these are worth no more than what was used once."""
        for key in keys:
            node = self.tree.nodes.get(key)
            if node is not None:
                node.rank = min(node.rank, self.rank_of(1, ""))

    def forget(self, key: bytes, part: Part) -> None:
        """A part is no longer worth its memory."""
        node = self.tree.nodes.get(key)
        if node is not None and part in node.parts:
            self.nbytes -= nbytes_of(node.parts[part])
            self.tree.drop(node, part)

    def fit(self, limit: int) -> None:
        """Evict until no more than `limit` bytes are held."""
        while self.nbytes > limit and (self.idle or self.tree.nodes):
            for item in self._order():
                self._evict(item)
                if self.nbytes <= limit:
                    return

    def clear(self) -> None:
        self.idle.clear()
        self.tree.clear()
        self.nbytes = 0

    def _order(self) -> Iterator[Idle | Node]:
        """What is held now, the first to go first; of one rank, the ends of prefixes before their beginnings."""
        items: list[Idle | Node] = [*self.idle, *self.tree.nodes.values()]
        return iter(sorted(items, key=lambda item: (item.rank, isinstance(item, Idle), -_end(item))))

    def _evict(self, item: Idle | Node) -> None:
        self._clock = max(self._clock, item.rank)
        self.evictions += 1
        if isinstance(item, Idle):
            self.take(item)
            self._demote(item)
            return
        for part in list(item.parts):
            self.forget(item.key, part)


def _end(item: Idle | Node) -> int:
    return item.length if isinstance(item, Idle) else item.end


def nbytes_of(payload: Any) -> int:
    """Of a block's part in memory."""
    return payload.nbytes if isinstance(payload, Snapshot) else memoryview(payload).nbytes
