"""Why a prefix ended where it did, and what that costs to find out."""

import random
from time import perf_counter

import pytest

from tests.engine.cache.test_prefix import restarted, tight, tokens  # noqa: F401
from tests.engine.harness import Harness
from tests.random_models import VOCAB
from vivace.engine.cache.chain import BLOCK, Chain, root_key
from vivace.engine.cache.explain import AROUND, REMEMBERED, Case, Explanations, explain
from vivace.engine.cache.find import Found, Holder, Known
from vivace.engine.cache.match import Match
from vivace.engine.cache.ram import Idle
from vivace.engine.cache.restore import Piece
from vivace.engine.cache.tree import PrefixTree
from vivace.protocol import CacheExplanation, CacheMatch, CacheQuery, CacheStats, Failed, Origins

OUTPUT = 4


def ask(harness: Harness, query: CacheQuery | CacheMatch):
    harness.loop.submit(query)
    harness.turn()
    (answer,) = harness.cache_answers
    harness.cache_answers.clear()
    assert answer.id == query.id
    return answer


def why(harness: Harness, request: str = "alone") -> CacheExplanation:
    return ask(harness, CacheQuery("q", "explain", request))


def test_the_first_prompt_was_never_stored(engine):
    harness = engine("qwen3")
    prompt = tokens(200)
    harness.answer(prompt, OUTPUT)
    found = why(harness)
    assert (found.reason, found.prompt_tokens, found.cached_tokens, found.agrees) == ("never_stored", 200, 0, 0)
    assert (found.before, found.mine, found.theirs) == ([], prompt[:AROUND], [])


@pytest.mark.parametrize("kind", ["qwen3", "qwen3_5", "gemma3"])
def test_a_prompt_that_parts_from_another_shows_both_sides(engine, kind):
    harness = engine(kind)
    one, other = tokens(200), [*tokens(200)[:130], *tokens(70, 1)]
    harness.answer(one, OUTPUT, boundaries=(128,))
    harness.answer(other, OUTPUT)
    found = why(harness)
    assert (found.reason, found.agrees) == ("diverged", 130)
    assert found.before == one[106:130]
    assert (found.mine, found.theirs) == (other[130:154], one[130:154])


@pytest.mark.parametrize("kind", ["qwen3", "qwen3_5", "gemma3"])
def test_the_next_turn_goes_on_where_nothing_was(engine, kind):
    harness = engine(kind)
    prompt = tokens(150)
    said = harness.answer(prompt, OUTPUT)
    longer = [*prompt, *said, *tokens(40, 2)]
    harness.answer(longer, OUTPUT)
    found = why(harness)
    assert (found.reason, found.agrees, found.cached_tokens) == ("never_stored", 153, 153)  # the last was never fed
    assert (found.mine, found.theirs) == (longer[153:177], [])
    assert found.origins == Origins(idle=153)


def test_the_same_prompt_again_is_there_as_a_whole(engine):
    harness = engine("qwen3")
    for _ in range(2):
        harness.answer(tokens(200), OUTPUT)
    found = why(harness)
    assert (found.reason, found.cached_tokens, found.agrees) == ("whole_prompt", 199, 199)


def test_recurrent_models_end_where_a_state_was_kept(engine):
    harness = engine("qwen3_5")
    harness.answer(tokens(400), OUTPUT, boundaries=(100,))
    harness.answer([*tokens(400)[:300], *tokens(50, 1)], OUTPUT)
    found = why(harness)
    assert (found.reason, found.cached_tokens, found.agrees, found.there) == ("no_state", 100, 300, 300)
    assert found.theirs == tokens(400)[300:324]


def test_another_salt_is_named_and_its_text_is_not(engine):
    harness = engine("qwen3")
    harness.answer(tokens(200), OUTPUT, salt="mine")
    harness.answer([*tokens(200)[:150], *tokens(50, 1)], OUTPUT, salt="yours")
    found = why(harness)
    assert (found.reason, found.cached_tokens, found.there) == ("other_salt", 0, 150)
    assert found.theirs == []


def test_what_had_to_go_is_called_evicted(engine):
    harness = engine("qwen3")
    harness.answer(tokens(300), OUTPUT)
    harness.loop.limits.prefix_bytes = 0
    harness.answer(tokens(10, 9), 1)
    harness.loop.limits.prefix_bytes = 1 << 30
    harness.answer(tokens(300), OUTPUT)
    found = why(harness)
    assert (found.reason, found.cached_tokens, found.there) == ("evicted", 0, 256)  # full blocks


def test_blocks_in_memory_are_compared_too(engine):
    harness = engine("qwen3")
    harness.answer(tokens(300), OUTPUT)
    ram = harness.loop._prefix.ram
    ram._evict(ram.idle[0])
    harness.answer([*tokens(300)[:140], *tokens(60, 1)], OUTPUT)
    found = why(harness)
    assert (found.reason, found.cached_tokens, found.agrees) == ("diverged", 128, 140)
    assert found.theirs == tokens(300)[140:164]
    assert found.origins == Origins(ram=128)


def test_blocks_on_the_disk_are_compared_too(restarted):  # noqa: F811
    restarted("qwen3").answer(tokens(300), OUTPUT)
    harness = restarted("qwen3", prefill_rate=1.0)
    harness.answer([*tokens(300)[:140], *tokens(60, 1)], OUTPUT)
    found = why(harness)
    assert (found.reason, found.cached_tokens, found.agrees) == ("diverged", 128, 140)
    assert found.theirs == tokens(300)[140:164]
    assert found.origins == Origins(ssd=128)


def test_a_disk_slower_than_computing_is_not_read(restarted):  # noqa: F811
    restarted("qwen3").answer(tokens(300), OUTPUT)
    harness = restarted("qwen3", prefill_rate=1e12)
    harness.answer(tokens(300), OUTPUT)
    found = why(harness)
    assert (found.reason, found.cached_tokens, found.there) == (
        "slower_to_read",
        0,
        256,
    )  # the shorter block behind has the answer in it


def test_damage_on_the_disk_is_named(restarted, tmp_path):  # noqa: F811
    restarted("qwen3").answer(tokens(300), OUTPUT)
    restarted("qwen3").loop._prefix.close()
    for path in (tmp_path / "segments").iterdir():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 255
        path.write_bytes(data)
    harness = restarted("qwen3", prefill_rate=1.0)
    harness.answer(tokens(300), OUTPUT)
    assert why(harness).reason == "read_failed"


def test_what_a_prompt_would_find_is_told_without_computing(engine):
    harness = engine("qwen3")
    harness.answer(tokens(200), OUTPUT)
    before = harness.loop.steps
    found = ask(harness, CacheMatch("m", [*tokens(200)[:130], *tokens(70, 1)]))
    assert (found.reason, found.cached_tokens, found.agrees) == ("diverged", 130, 130)
    assert harness.loop.steps == before
    assert len(harness.loop._prefix.ram.idle) == 1
    assert ask(harness, CacheMatch("m", tokens(200), salt="other")).reason == "other_salt"


def test_the_last_request_is_meant_if_none_is_named(engine):
    harness = engine("qwen3")
    assert isinstance(ask(harness, CacheQuery("q", "explain")), Failed)
    for id in ("one", "two"):
        harness.submit(id, tokens(70), OUTPUT)
        harness.run()
    assert why(harness, "").request == "two"
    assert why(harness, "one").cached_tokens == 0
    unknown = why(harness, "three")
    assert (unknown.kind, unknown.id) == ("not_found", "q")


def test_counts_and_clearing(restarted):  # noqa: F811
    harness = restarted("qwen3_5")
    for _ in range(2):
        harness.answer(tokens(200), OUTPUT)
    stats = ask(harness, CacheQuery("q", "stats"))
    assert isinstance(stats, CacheStats)
    assert (stats.prompt_tokens, stats.cached_tokens, stats.problem) == (400, 199, "")
    assert (stats.idle, stats.nbytes) == (1, harness.loop._prefix.ram.nbytes)
    assert stats.snapshots >= 2
    assert stats.ssd is not None
    assert harness.loop._prefix.tier.flush(20)
    harness.loop.submit(CacheQuery("q", "clear"))
    harness.turn()
    while not harness.cache_answers:  # the disk takes its time
        pass
    assert harness.cache_answers.pop().freed_bytes > stats.nbytes
    emptied = ask(harness, CacheQuery("q", "stats"))
    assert (emptied.nbytes, emptied.idle, emptied.blocks, emptied.snapshots) == (0, 0, 0, 0)
    assert emptied.ssd.entries == 0
    harness.answer(tokens(200), OUTPUT)
    assert harness.finished["alone"].cached_tokens == 0


def test_a_request_that_runs_while_all_is_cleared_is_kept_as_a_whole(restarted):  # noqa: F811
    harness = restarted("qwen3")
    harness.submit("runs", tokens(300), 30)
    while not harness.tokens.get("runs"):
        harness.turn()
    harness.loop.submit(CacheQuery("q", "clear"))
    harness.run()
    while not harness.cache_answers:
        pass
    harness = restarted("qwen3", prefill_rate=1.0)
    harness.answer(tokens(300), OUTPUT)
    assert harness.finished["alone"].cached_tokens == 256


def test_it_remembers_the_last_requests_only():
    kept = Explanations()
    for i in range(REMEMBERED + 1):
        kept.keep(explain(Case(Chain(b"", [1, 2]), 1, Found(Match())), str(i), PrefixTree(), lambda _: []))
    assert kept.get("0") is None
    assert kept.get("1") is not None
    assert kept.get("").request == str(REMEMBERED)
    assert kept.get("1").reason == "not_kept"


def test_origins_of_a_match_from_everywhere():
    wanted = [Piece("full", end, b"") for end in (128, 192, 230)] + [Piece("state", 230, b"")]
    holder = Holder(Chain(b"", []), [], 70, Idle(Chain(b"", []), [], 70, 0))
    found = Found(Match(230, 0, 64), holder, True, wanted, [b"x", None, None, b"x"], [1, 2])
    case = Case(Chain(b"", range(300)), 299, found)
    assert explain(case, "", PrefixTree(), lambda _: []).origins == Origins(idle=64, ram=64, ssd=102)


def test_explaining_costs_little():
    """16,000 tokens, 50 idle conversations of which half have another salt."""
    draw = random.Random(0)
    prompt = draw.choices(range(VOCAB), k=16_000)
    chain = Chain(root_key("a"), prompt)
    others = [
        Chain(root_key("ab"[i % 2]), [*prompt[: 300 * i], *draw.choices(range(VOCAB), k=8000)]) for i in range(50)
    ]
    holders = [Holder(other, [], len(other)) for other in others]
    tree = PrefixTree()
    for end in range(BLOCK, 15_000, BLOCK):
        tree.put(chain, end, "full", b"")
    tree.put(Chain(root_key("a"), [*prompt[:15_000], *prompt]), 15_040, "full", b"")
    known = Known(holders, holders[48], 300 * 48, {})
    case = Case(chain, 15_999, Found(Match(14_400, 48, 14_400), holders[48], known=known))

    def once() -> float:
        began = perf_counter()
        assert explain(case, "x", tree, lambda _: []).reason == "diverged"
        return perf_counter() - began

    assert min(once() for _ in range(50)) < 0.2e-3
