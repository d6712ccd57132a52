"""Who goes first when memory is short."""

from vivace.engine.cache.chain import BLOCK, Chain, root_key
from vivace.engine.cache.ram import Idle, RamTier


def idle(name: int, nbytes: int = 10, uses: int = 1, session: str = "") -> Idle:
    return Idle(Chain(root_key(""), [name] * 10), [], 10, nbytes, session, uses)


def test_what_was_used_longest_ago_goes_first():
    gone: list[Idle] = []
    tier = RamTier(gone.append)
    items = [idle(i) for i in range(5)]
    for item in items:
        tier.keep(item)
        tier.fit(30)
    assert gone == items[:2]
    assert tier.nbytes == 30


def test_a_conversation_outlives_side_requests_but_not_for_ever():
    gone: list[Idle] = []
    tier = RamTier(gone.append)
    talk = idle(0, uses=3, session="s")
    tier.keep(talk)
    counts = []
    for i in range(1, 500):
        tier.keep(idle(i))
        tier.fit(30)
        if talk in gone:
            counts.append(i)
            break
    assert counts
    assert counts[0] > 20


def test_of_a_prefix_the_end_goes_before_the_beginning():
    tier = RamTier(lambda _: None)
    chain = Chain(root_key(""), range(4 * BLOCK))
    for end in (BLOCK, 2 * BLOCK, 3 * BLOCK):
        tier.put(chain, end, "full", bytes(100), rank=1.0)
    tier.fit(200)
    assert [tier.tree.has(chain.key_at(end), "full") for end in (BLOCK, 2 * BLOCK, 3 * BLOCK)] == [True, True, False]
    assert tier.tree.evicted(chain.key_at(3 * BLOCK))


def test_what_the_next_turn_replaced_goes_before_what_it_keeps():
    tier = RamTier(lambda _: None)
    chain = Chain(root_key(""), range(4 * BLOCK))
    for end in (BLOCK, 2 * BLOCK):
        tier.put(chain, end, "state", bytes(100), rank=tier.rank_of(5, "s"))
    tier.devalue([chain.key_at(BLOCK)])
    tier.fit(100)
    assert not tier.tree.has(chain.key_at(BLOCK), "state")
    assert tier.tree.has(chain.key_at(2 * BLOCK), "state")


def test_a_part_that_is_there_is_not_counted_twice():
    tier = RamTier(lambda _: None)
    chain = Chain(root_key(""), range(BLOCK))
    for _ in range(2):
        tier.put(chain, BLOCK, "full", bytes(100), rank=1.0)
    assert tier.nbytes == 100
    tier.forget(chain.key_at(BLOCK), "full")
    assert tier.nbytes == 0
    assert not tier.tree.nodes
    assert not tier.tree.partials
