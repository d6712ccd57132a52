"""How long a prefix can be had, and where its parts come from: a pure function over what is known.

At position p a prefix needs full-attention blocks over [0, p), window blocks over what a window sees before p, and, of
recurrent models, a snapshot exactly at p. The first tokens may come from the live or idle slabs of a sequence (a
source) that begins the same, to the token; the rest comes from stored blocks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vivace.engine.cache.chain import BLOCK, Chain
from vivace.engine.cache.layout import Part
from vivace.engine.cache.stops import aligned
from vivace.engine.scheduler import SHORTEST

Has = Callable[[bytes, Part], bool]


@dataclass(frozen=True)
class Needs:
    """What a model needs beside full-attention blocks. `window`: tokens that it looks back, 0 for none.

    `cells`: the same prompt gives the same bits only if what is computed begins where a chunk may end, and is one.
    """

    window: int = 0
    state: bool = False
    full: bool = True
    cells: bool = False

    def limit(self, prompt: int) -> int:
        """Up to where a prefix of a prompt with so many tokens may reach: one is always computed."""
        return max(0, aligned(prompt - 1 - SHORTEST)) if self.cells else prompt - 1

    def window_start(self, position: int) -> int:
        """The first position whose window block is needed at `position`, at the beginning of a block."""
        return max(0, position - self.window) // BLOCK * BLOCK


@dataclass(frozen=True)
class Source:
    """Slabs that begin with the first `tokens` of the prompt. Their windows hold positions from `first` on.

    `free`: nobody else needs them, so that they can be taken without a copy.
    """

    tokens: int
    first: int = 0
    free: bool = True


@dataclass(frozen=True)
class Match:
    """The best prefix. `source`: index of the slabs that give tokens [0, from_source), blocks give the rest.

    `windows_from_source`: they give the windows too; else blocks give all of them.
    """

    position: int = 0
    source: int | None = None
    from_source: int = 0
    windows_from_source: bool = False


def match(
    chain: Chain,
    limit: int,
    sources: Sequence[Source],
    has: Has,
    partials: Mapping[bytes, set[int]],
    needs: Needs,
) -> Match:
    """The longest prefix of at most `limit` tokens; of equal ones that which copies least.

    Args:
        has: whether a part of the block with this key is stored.
        partials: key → lengths of shorter blocks that are stored behind it.
    """
    places: list[tuple[int | None, Source]] = [(i, s) for i, s in enumerate(sources) if s.tokens]
    found = [_with(chain, limit, i, s, has, partials, needs) for i, s in [*places, (None, Source(0))]]
    free = {i for i, s in enumerate(sources) if s.free}
    return max(found, key=lambda m: (m.position, m.source in free, m.from_source))


def _with(
    chain: Chain,
    limit: int,
    index: int | None,
    source: Source,
    has: Has,
    partials: Mapping[bytes, set[int]],
    needs: Needs,
) -> Match:
    reach = min(source.tokens, limit)
    blocks = reach // BLOCK
    while (blocks + 1) * BLOCK <= limit and (not needs.full or has(chain.key(blocks + 1), "full")):
        blocks += 1
    for position in _candidates(chain, limit, reach, blocks, has, partials, needs):
        from_source = reach if position <= reach else reach // BLOCK * BLOCK
        from_source = min(from_source, position)
        if not needs.window:
            return Match(position, index if from_source else None, from_source)
        if position <= reach and source.first <= needs.window_start(position):
            return Match(position, index, from_source, windows_from_source=True)
        if _has_windows(chain, position, has, needs):
            return Match(position, index if from_source else None, from_source)
    return Match()


def _candidates(
    chain: Chain,
    limit: int,
    reach: int,
    blocks: int,
    has: Has,
    partials: Mapping[bytes, set[int]],
    needs: Needs,
) -> Iterator[int]:
    """Positions that full-attention blocks reach and, if need be, have a snapshot, longest first."""
    for whole in range(blocks, -1, -1):
        rests = partials.get(chain.key(whole), set())
        if reach // BLOCK == whole and not needs.state:
            rests = rests | {reach % BLOCK}
        for position in sorted((whole * BLOCK + rest for rest in rests), reverse=True):
            if position <= limit and _reaches(chain, position, reach, has, needs):
                yield position
        if whole and (has(chain.key(whole), "state") if needs.state else reach != whole * BLOCK):
            yield whole * BLOCK


def _reaches(chain: Chain, position: int, reach: int, has: Has, needs: Needs) -> bool:
    """Whether a prefix can end there, behind full blocks that are to be had."""
    if position <= reach and not needs.state:
        return position > 0
    key = chain.key_at(position)
    return (position <= reach or not needs.full or has(key, "full")) and (not needs.state or has(key, "state"))


def _has_windows(chain: Chain, position: int, has: Has, needs: Needs) -> bool:
    start, whole = needs.window_start(position), position // BLOCK
    if not all(has(key, "window") for key in chain.keys(start // BLOCK + 1, whole)):
        return False
    return position % BLOCK == 0 or has(chain.key_at(position), "window")
