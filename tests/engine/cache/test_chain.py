"""Keys of prefixes."""

from hypothesis import given
from hypothesis import strategies as st

from vivace.engine.cache.chain import BLOCK, Chain, block_ends, root_key

IDS = st.lists(st.integers(0, 2**31 - 1), max_size=3 * BLOCK)


@given(IDS, IDS)
def test_keys_are_equal_exactly_where_prefixes_are(one, other):
    root = root_key("")
    first, second = Chain(root, one), Chain(root, other)
    common = first.common(second, 10_000)
    assert one[:common] == other[:common]
    assert common == min(len(one), len(other)) or one[common] != other[common]
    for position in range(1, min(len(one), len(other)) + 1):
        assert (first.key_at(position) == second.key_at(position)) == (position <= common)


@given(IDS)
def test_a_chain_that_grew_is_the_chain_of_the_whole(ids):
    grown = Chain(root_key("salt"))
    for token in ids:
        grown.append(token)
    assert grown.key_at(len(ids)) == Chain(root_key("salt"), ids).key_at(len(ids))


def test_a_short_block_never_has_the_key_of_a_full_one():
    chain = Chain(root_key(""), [0] * (2 * BLOCK))
    keys = {chain.key_at(position) for position in range(2 * BLOCK + 1)}
    assert len(keys) == 2 * BLOCK + 1


def test_salts_share_nothing():
    one, other = Chain(root_key("a"), range(100)), Chain(root_key("b"), range(100))
    assert one.key_at(100) != other.key_at(100)
    assert one.common(other, 100) == 0


def test_a_limit_bounds_what_is_common():
    one, other = Chain(root_key(""), range(100)), Chain(root_key(""), range(100))
    assert one.common(other, 40) == 40


@given(st.integers(0, 5).map(lambda n: n * BLOCK), st.integers(0, 400))
def test_blocks_cover_a_span(start, length):
    ends = list(block_ends(start, start + length))
    assert ends == sorted(set(ends))
    assert (ends[-1] if ends else start) == start + length
    assert all(end % BLOCK == 0 for end in ends[:-1])
