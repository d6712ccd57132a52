"""Blocks on their way to the SSD tier and back, as the engine thread sees them."""

from collections.abc import Callable, Sequence
from typing import Any

from vivace.engine.cache.chain import BLOCK, Chain, block_ends
from vivace.engine.cache.layout import Buffer, Layout, Part
from vivace.engine.cache.ssd import Entry, Record, SsdTier

PAGE = 256  # blocks looked up at once
FIRST_GUESS = 5e8  # bytes/s of a disk that nothing was read from yet


class Disk:
    """The SSD tier in terms of chains and positions."""

    def __init__(self, tier: SsdTier, layout: Layout) -> None:
        self._tier = tier
        self._layout = layout

    @property
    def tier(self) -> SsdTier:
        return self._tier

    def lookup(
        self, chain: Chain, first: int, limit: int, enough: Callable[[bytes], bool]
    ) -> dict[tuple[bytes, Part], Entry]:
        """What is stored of this chain behind its first blocks, up to `limit` tokens, shorter blocks too.

        `enough(key)`: the full part of a block is at hand elsewhere, so that what lies behind it is of use.
        """
        found: dict[tuple[bytes, Part], Entry] = {}
        parents = [chain.key(first)]
        last = limit // BLOCK
        while first < last:
            keys = list(chain.keys(first + 1, min(first + PAGE, last)))
            found |= self._tier.lookup(keys)
            here = [not self._layout.full or enough(key) or (key, "full") in found for key in keys]
            usable = here.index(False) if False in here else len(keys)
            parents += keys[:usable]
            if usable < len(keys):
                break
            first += len(keys)
        for entry in self._tier.shorter(parents, 4 * BLOCK):
            found[entry.key, entry.part] = entry
        return found

    def store(self, chain: Chain, caches: Sequence[Any], part: Part, start: int, end: int) -> int:
        """Queue a part of the blocks that cover [start, end), `start` being the beginning of one; where it came to."""
        return self.put_rows(chain, part, start, end, self._layout.extract(caches, part, start, end))

    def put_rows(self, chain: Chain, part: Part, start: int, end: int, rows: Sequence[Buffer]) -> int:
        """The same with rows that were extracted."""
        at = start
        for stop, row in zip(block_ends(start, end), rows, strict=True):
            if not self.put(chain, stop, part, row):
                break
            at = stop
        return at

    def put(self, chain: Chain, end: int, part: Part, payload: Buffer) -> bool:
        """Queue a part of the block that ends there; False if there is no room in the queue."""
        start = (end - 1) // BLOCK * BLOCK
        key, parent = chain.key_at(end), chain.key(start // BLOCK)
        return self._tier.put(Record(key, part, parent, chain.packed(start, end), payload))

    def has(self, chain: Chain, end: int, part: Part) -> bool:
        """Whether a part of the block that ends there is stored."""
        key = chain.key_at(end)
        return (key, part) in self._tier.lookup([key])

    def touch(self, chain: Chain, end: int, state: bool) -> None:
        """This prefix was used now, with the state at its end."""
        names: list[tuple[bytes, Part]] = [(chain.key(end // BLOCK), "full")] if end >= BLOCK else []
        if end % BLOCK:
            names.append((chain.key_at(end), "full"))
        self._tier.touch_blocks([*names, (chain.key_at(end), "state")] if state else names)

    def seconds(self, nbytes: int) -> float:
        """How long it takes to read so much."""
        return nbytes / (self._tier.read_bytes_per_s or FIRST_GUESS)
