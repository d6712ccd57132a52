"""Matching against a definition that tries every position."""

from hypothesis import given
from hypothesis import strategies as st

from vivace.engine.cache.chain import BLOCK, Chain, root_key
from vivace.engine.cache.match import Needs, Source, match

LENGTH = 5 * BLOCK + 20
CHAIN = Chain(root_key(""), range(LENGTH))
SHORT = (10, 40)  # lengths of blocks that are shorter
PLACES = sorted({i * BLOCK for i in range(1, 6)} | {i * BLOCK + s for i in range(6) for s in SHORT} - {LENGTH + 20})
ENDS = [end for end in PLACES if end <= LENGTH]

parts = st.frozensets(st.tuples(st.sampled_from(ENDS), st.sampled_from(["full", "window", "state"])))
sources = st.lists(
    st.builds(Source, st.integers(0, LENGTH), st.sampled_from([0, 0, BLOCK, 3 * BLOCK]), st.booleans()), max_size=3
)
needs = st.builds(Needs, st.sampled_from([0, 30, 100]), st.booleans(), st.booleans()).filter(
    lambda n: n.full or n.state
)


def blocks_over(start: int, position: int) -> list[int]:
    whole = list(range(start // BLOCK * BLOCK + BLOCK, position + 1, BLOCK))
    return whole + ([position] if position % BLOCK and start < position else [])


def reachable(position: int, stored: frozenset, source: Source, need: Needs) -> bool:
    """By definition: everything that a prefix of `position` needs is there."""
    covered = source.tokens
    start = 0 if covered == 0 else (position if position <= covered else covered // BLOCK * BLOCK)
    if need.full and not all((end, "full") in stored for end in blocks_over(start, position) if start < position):
        return False
    if need.state and (position, "state") not in stored:
        return False
    if need.window:
        first = need.window_start(position)
        from_source = 0 < position <= covered and source.first <= first
        if not from_source and not all((end, "window") in stored for end in blocks_over(first, position)):
            return False
    return True


@given(parts, sources, needs, st.integers(1, LENGTH))
def test_the_longest_prefix_is_found(stored, given_sources, need, limit):
    keys = {CHAIN.key_at(end): end for end in ENDS}
    partials: dict[bytes, set[int]] = {}
    for end, _ in stored:
        if end % BLOCK:
            partials.setdefault(CHAIN.key(end // BLOCK), set()).add(end % BLOCK)
    found = match(CHAIN, limit, given_sources, lambda key, part: (keys.get(key), part) in stored, partials, need)
    everybody = [*given_sources, Source(0)]
    best = max(p for p in range(limit + 1) if p == 0 or any(reachable(p, stored, s, need) for s in everybody))
    if need.full or not need.window:  # without full attention blocks alone give no position
        assert found.position == best
    if found.position:
        source = given_sources[found.source] if found.source is not None else Source(0)
        assert reachable(found.position, stored, source, need)
        assert found.from_source <= min(source.tokens, found.position)
        assert found.from_source == found.position or found.from_source % BLOCK == 0


def test_of_equal_ones_what_can_be_taken_is_preferred():
    none = Needs()
    two = [Source(100, free=False), Source(100, free=True)]
    assert match(CHAIN, 200, two, lambda key, part: False, {}, none).source == 1
