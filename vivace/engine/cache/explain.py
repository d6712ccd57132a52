"""Why a prefix ended where it did: what came nearest to the prompt, where the two part, and why there was no more.

Found out when the request begins, since the cache is another one a moment later, but kept short: some ids of each side.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vivace.engine.cache.chain import BLOCK, Chain
from vivace.engine.cache.find import Found, Known
from vivace.engine.cache.layout import Part
from vivace.engine.cache.tree import PrefixTree
from vivace.engine.scheduler import SHORTEST
from vivace.protocol import CacheExplanation, Origins, Reason

AROUND = 24  # tokens shown in front of the place and behind it
REMEMBERED = 256  # requests
WORTH_TELLING = 16  # tokens: fewer are those that begin every template, or lie between two places to stop

Children = Callable[[bytes], Iterable[bytes]]  # key → tokens (int32) of the blocks that follow it


@dataclass(frozen=True)
class Nearest:
    """The path that is kept and agrees with a prompt's first `agrees` tokens; how it goes on there."""

    agrees: int = 0
    theirs: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """What is to be explained. `reach`: the longest prefix that is ever matched; `positional`: it ends only where a
    state was kept; `misread`: it was tried before, and what the disk promised was not there."""

    chain: Chain
    reach: int
    found: Found
    positional: bool = False
    misread: bool = False

    @property
    def limit(self) -> int:
        """Tokens that a prefix may have in common with what is kept: one is always computed."""
        return len(self.chain) - 1


def explain(case: Case, request: str, tree: PrefixTree, on_disk: Children) -> CacheExplanation:
    """`on_disk`: what the SSD tier has behind a block. `id` of the explanation is to be filled in."""
    chain, position, known = case.chain, case.found.match.position, case.found.known
    near = Nearest(position)
    if known is not None and position < case.reach:
        near = max(nearest(chain, known, tree, on_disk), near, key=lambda path: path.agrees)
    reason, there = _reason(case, near, tree)
    return CacheExplanation(
        id="",
        request=request,
        prompt_tokens=len(chain),
        cached_tokens=position,
        agrees=near.agrees,
        there=there,
        reason=reason,
        origins=origins(case.found),
        before=_ids(chain, max(0, near.agrees - AROUND), near.agrees),
        mine=_ids(chain, near.agrees, min(near.agrees + AROUND, len(chain))),
        theirs=list(near.theirs),
    )


def nearest(chain: Chain, known: Known, tree: PrefixTree, on_disk: Children) -> Nearest:
    """Of sequences, and of the blocks that follow the last one that the prompt shares; one that goes on comes first."""
    limit = len(chain) - 1
    blocks = _shared_blocks(chain, limit, known, tree)
    start = blocks * BLOCK
    candidates = [_nearest_sequence(chain, limit, known), Nearest(start)]
    mine = np.frombuffer(chain.packed(start, min(start + BLOCK, limit)), np.int32)
    key = chain.key(blocks)
    for tokens in [*(node.tokens for node in tree.children(key)), *on_disk(key)]:
        block = np.frombuffer(tokens, np.int32)
        agreed = _common(mine, block)
        candidates.append(Nearest(start + agreed, tuple(block[agreed : agreed + AROUND].tolist())))
    best = max(candidates, key=lambda path: (path.agrees, len(path.theirs)))
    return best if 0 < best.agrees < limit else Nearest(best.agrees)


def _nearest_sequence(chain: Chain, limit: int, known: Known) -> Nearest:
    holder, agreed = known.nearest, known.agreed
    if holder is None or not agreed:
        return Nearest()
    while agreed < min(limit, holder.length) and holder.chain.token(agreed) == chain.token(agreed):
        agreed += 1  # some kernels use less than what agrees
    return Nearest(agreed, tuple(_ids(holder.chain, agreed, min(agreed + AROUND, holder.length))))


def origins(found: Found) -> Origins:
    """Where the tokens of a match come from; of recurrent models without attention, where the state does."""
    given, start = found.match.from_source, found.match.from_source // BLOCK * BLOCK
    ssd, full = 0, False
    for piece, payload in zip(found.wanted, found.payloads, strict=True):
        if piece.part == "full":
            full = True
            ssd += (piece.end - start) * (payload is None)
            start = piece.end
    rest = found.match.position - given
    if not full:
        ssd = rest if found.entries else 0
    idle = found.holder is not None and found.holder.idle is not None
    return Origins(running=0 if idle else given, idle=given if idle else 0, ram=rest - ssd, ssd=ssd)


class Explanations:
    """Of the last requests. The same id again takes the place of the first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, CacheExplanation] = OrderedDict()

    def keep(self, explanation: CacheExplanation) -> None:
        self._kept.pop(explanation.request, None)
        self._kept[explanation.request] = explanation
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)

    def get(self, request: str) -> CacheExplanation | None:
        """Of the last request if it is not named."""
        return self._kept.get(request or next(reversed(self._kept), ""))

    def clear(self) -> None:
        self._kept.clear()


def _reason(case: Case, near: Nearest, tree: PrefixTree) -> tuple[Reason, int]:
    """With the position up to which the prefix could have gone but for it."""
    position, known = case.found.match.position, case.found.known
    if known is None:
        return "not_kept", 0
    if position >= case.reach or (near.agrees >= case.reach and position + SHORTEST > case.reach):
        return "whole_prompt", position  # nothing is kept closer to the end
    if case.misread:
        return "read_failed", near.agrees
    if known.slower > position:
        return "slower_to_read", known.slower
    if case.positional and near.agrees - position >= _worth(case, near):
        return "no_state", near.agrees
    gone = _evicted_up_to(case.chain, near.agrees // BLOCK, case.limit, tree)
    if gone > near.agrees:
        return "evicted", gone
    salted = _with_other_salts(case.chain, near.agrees, case.limit, known)
    if salted >= near.agrees + WORTH_TELLING:
        return "other_salt", salted
    return ("diverged" if near.theirs else "never_stored"), near.agrees


def _worth(case: Case, near: Nearest) -> int:
    """How many tokens without a state count as lost: states lie a little before the place where prompts part."""
    if near.agrees == case.limit:
        return 1
    return BLOCK if near.theirs else WORTH_TELLING


def _shared_blocks(chain: Chain, limit: int, known: Known, tree: PrefixTree) -> int:
    """Full blocks of the prompt, from the first on, that are kept somewhere."""
    blocks = known.agreed // BLOCK
    while (blocks + 1) * BLOCK <= limit and _is_kept(chain.key(blocks + 1), known.on_disk, tree):
        blocks += 1
    return blocks


def _is_kept(key: bytes, on_disk: Mapping[tuple[bytes, Part], Any], tree: PrefixTree) -> bool:
    return tree.knows(key) or (key, "full") in on_disk or (key, "state") in on_disk


def _evicted_up_to(chain: Chain, blocks: int, limit: int, tree: PrefixTree) -> int:
    """The end of the blocks behind the first `blocks` that were in memory once and had to go."""
    while (blocks + 1) * BLOCK <= limit and tree.evicted(chain.key(blocks + 1)):
        blocks += 1
    return blocks * BLOCK


def _with_other_salts(chain: Chain, beyond: int, limit: int, known: Known) -> int:
    """How many tokens the prompt shares with sequences of other salts, if more than `beyond`."""
    others = (holder for holder in known.holders if holder.chain.root != chain.root)
    further = (holder for holder in others if holder.chain.token(beyond) == chain.token(beyond))
    return max((holder.chain.agrees(chain, min(limit, holder.length)) for holder in further), default=0)


def _common(mine: Any, theirs: Any) -> int:
    """How many numbers two arrays begin with in common."""
    n = min(len(mine), len(theirs))
    differs = np.flatnonzero(mine[:n] != theirs[:n])
    return int(differs[0]) if len(differs) else n


def _ids(chain: Chain, start: int, end: int) -> list[int]:
    return [chain.token(position) for position in range(start, end)]
