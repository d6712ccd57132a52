"""What comes out of the prefix cache is what would have been computed, whatever happened before."""

import random
from functools import lru_cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.harness import Harness, reference
from tests.random_models import KINDS, VOCAB
from vivace.engine.cache import prefix, restore, slab
from vivace.engine.cache.chain import BLOCK
from vivace.engine.cache.ram import nbytes_of
from vivace.engine.cache.ssd import SsdTier
from vivace.protocol import Cancel, Sampling

OUTPUT = 12


def tokens(length: int, seed: int = 0) -> list[int]:
    return random.Random(1000 * length + seed).choices(range(VOCAB), k=length)


@pytest.fixture
def tight(monkeypatch):
    monkeypatch.setattr(slab, "SLACK", BLOCK + 8)


def talk(harness: Harness, turns: int, **more) -> list[tuple[list[int], list[int], int]]:
    """A conversation that grows by its answers and new messages; (prompt, answer, cached) of each turn."""
    prompt, said = tokens(150), []
    for turn in range(turns):
        id = f"turn {turn}"
        harness.submit(id, prompt, OUTPUT, boundaries=(100, len(prompt) - 5), session="s", **more)
        harness.run()
        said.append((prompt, harness.tokens[id], harness.finished[id].cached_tokens))
        prompt = [*prompt[:-5], *harness.tokens[id], *tokens(40, turn), 1, 2, 3, 4, 5]
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_a_conversation_gets_the_answers_of_an_uncached_one(engine, loaded, kind, tight):
    for prompt, answer, _ in talk(engine(kind), 4):
        assert answer == reference(loaded(kind), prompt, OUTPUT)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_turn_hits_where_the_last_one_was_cut(engine, kind, tight):
    for before, after in zip(said := talk(engine(kind), 4), said[1:], strict=False):
        assert after[2] >= len(before[0]) - 8  # chunks end at multiples of four


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_prompt_again_is_computed_from_its_last_token(engine, loaded, kind, tight):
    harness = engine(kind)
    prompt = tokens(200)
    first, second = harness.answer(prompt, OUTPUT), harness.answer(prompt, OUTPUT)
    assert first == second == reference(loaded(kind), prompt, OUTPUT)[0]
    assert harness.finished["alone"].cached_tokens == len(prompt) - 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_answer_in_the_history_is_in_the_cache_too(engine, kind, tight):
    harness = engine(kind)
    prompt = tokens(130)
    answer = harness.answer(prompt, OUTPUT)
    harness.answer([*prompt, *answer, *tokens(20)], OUTPUT)
    assert harness.finished["alone"].cached_tokens == len(prompt) + OUTPUT - 1  # the last token was never fed


@pytest.mark.parametrize("kind", KINDS)
def test_choices_of_one_prompt_compute_it_once(engine, loaded, kind, tight):
    harness = engine(kind)
    prompt = tokens(300)
    for i in range(3):
        harness.submit(str(i), prompt, OUTPUT)
    harness.run()
    assert sorted(harness.finished[str(i)].cached_tokens for i in range(3)) == [0, 299, 299]
    expected = reference(loaded(kind), prompt, OUTPUT)[0]
    assert [harness.tokens[str(i)] for i in range(3)] == [expected] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_cancelled_prefill_computed_stays(engine, loaded, kind, tight):
    harness = engine(kind)
    prompt = tokens(600)
    harness.submit("gone", prompt, OUTPUT)
    while harness.progress.get("gone", [0])[-1] < 128:
        harness.turn()
    harness.loop.submit(Cancel("gone"))
    harness.run()
    assert harness.answer(prompt, OUTPUT) == reference(loaded(kind), prompt, OUTPUT)[0]
    assert harness.finished["alone"].cached_tokens >= 128


@pytest.mark.parametrize("kind", KINDS)
def test_slabs_that_had_to_go_live_on_as_blocks(engine, loaded, kind, tight):
    harness = engine(kind)
    prompt = tokens(400)
    harness.answer(prompt, OUTPUT)
    ram = harness.loop._prefix.ram
    while ram.idle:
        ram._evict(ram.idle[0])
    assert harness.answer(prompt, OUTPUT) == reference(loaded(kind), prompt, OUTPUT)[0]
    assert harness.finished["alone"].cached_tokens >= 384  # full blocks


def test_another_salt_shares_nothing(engine):
    harness = engine("qwen3")
    prompt = tokens(200)
    harness.answer(prompt, OUTPUT, salt="mine")
    harness.answer(prompt, OUTPUT, salt="yours")
    assert harness.finished["alone"].cached_tokens == 0


def test_a_side_request_leaves_the_conversation_its_slabs(engine):
    """A title request shares the system prompt only: it gets a copy, not the conversation's slabs cut short."""
    harness = engine("qwen3", context=8192)
    system = tokens(100)
    talk_ = [*system, *tokens(3000, 1)]
    harness.answer(talk_, OUTPUT, session="talk")
    harness.answer([*system, *tokens(50, 2)], OUTPUT, session="title")
    assert harness.finished["alone"].cached_tokens == len(system)
    harness.answer([*talk_, *tokens(30, 3)], OUTPUT, session="talk")
    assert harness.finished["alone"].cached_tokens == len(talk_)


def test_side_requests_do_not_evict_the_conversation(engine):
    """The limit holds the conversation and two titles; fifty titles come between its turns."""
    harness = engine("qwen3", context=8192)
    talk(harness, 3)
    prompt = [*tokens(150)[:145], *tokens(600, 77)]
    harness.answer(prompt, OUTPUT, session="s")
    harness.answer(prompt, OUTPUT, session="s")
    per_token = harness.probe.cost.per_token
    harness.loop.limits.prefix_bytes = 3000 * per_token
    for i in range(50):
        harness.answer(tokens(300, 100 + i), 4)
    harness.answer(prompt, OUTPUT, session="s")
    assert harness.finished["alone"].cached_tokens == len(prompt) - 1
    assert harness.loop._prefix.ram.nbytes <= 3000 * per_token


def test_without_memory_for_it_nothing_is_kept_and_all_is_right(engine, loaded):
    harness = engine("qwen3_5", prefix_bytes=0)
    prompt = tokens(200)
    for _ in range(2):
        assert harness.answer(prompt, OUTPUT) == reference(loaded("qwen3_5"), prompt, OUTPUT)[0]
        assert harness.finished["alone"].cached_tokens == 0
    assert harness.loop._prefix.ram.nbytes == 0


@pytest.fixture
def restarted(engine, tmp_path, tight):
    """restarted(kind) -> an engine over one folder; each call is a new start."""
    tiers: list[SsdTier] = []

    def start(kind: str, **more) -> Harness:
        for tier in tiers:
            tier.close()
        tiers.append(SsdTier(tmp_path, kind, 1 << 30, free_floor_bytes=0))
        return engine(kind, disk=tiers[-1], **more)

    yield start
    tiers[-1].close()


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_restart_the_conversation_goes_on_from_the_disk(restarted, loaded, kind):
    said = talk(restarted(kind), 3)
    prompt, answer, _ = said[-1]
    harness = restarted(kind)
    assert harness.answer(prompt, OUTPUT) == answer == reference(loaded(kind), prompt, OUTPUT)[0]
    assert harness.finished["alone"].cached_tokens >= len(prompt) - 8 - BLOCK
    longer = [*prompt[:-5], *answer, *tokens(40), 1, 2, 3, 4, 5]
    harness = restarted(kind)
    assert harness.answer(longer, OUTPUT) == reference(loaded(kind), longer, OUTPUT)[0]
    assert harness.finished["alone"].cached_tokens >= len(prompt) - 8 - BLOCK


def test_others_go_on_while_blocks_are_read(restarted, monkeypatch):
    prompt = tokens(500)
    restarted("qwen3_5").answer(prompt, OUTPUT)
    harness = restarted("qwen3_5")
    held: list = []
    tier = harness.loop._prefix._disk.tier
    monkeypatch.setattr(tier, "read", lambda entries, done: held.append((entries, done)), raising=False)
    harness.submit("talks", tokens(40), 30)
    for _ in range(5):
        harness.turn()
    before = len(harness.tokens["talks"])
    harness.submit("waits", prompt, OUTPUT)
    for _ in range(5):
        harness.turn()
    assert held
    assert len(harness.tokens["talks"]) >= before + 4
    assert "waits" not in harness.tokens
    monkeypatch.undo()
    tier.read(*held[0])
    harness.run()
    assert harness.finished["waits"].cached_tokens == len(prompt) - 1


def begin_to_talk(harness):
    harness.submit("talks", tokens(40), 100)
    while "talks" not in harness.tokens:
        harness.turn()


@pytest.fixture
def small_pieces(monkeypatch):
    """Blocks are put in place one by one."""
    for module in (prefix, restore):
        monkeypatch.setattr(module, "PIECE_BYTES", 1)


@pytest.mark.parametrize("kind", ["qwen3", "gemma3", "qwen3_5"])
def test_others_go_on_while_blocks_are_put_in_place(restarted, loaded, small_pieces, kind):
    prompt = tokens(500)
    restarted(kind).answer(prompt, OUTPUT)
    restarted(kind).loop._prefix.close()
    harness = restarted(kind)
    begin_to_talk(harness)
    harness.submit("waits", prompt, OUTPUT)
    placing: list[int] = []
    while "waits" not in harness.finished:
        harness.turn()
        if harness.loop._prefix.placing:
            placing.append(len(harness.tokens.get("talks", [])))
    assert len(placing) >= len(prompt) // BLOCK - 1
    assert len(set(placing)) >= len(placing) - 1  # a token in every turn
    assert harness.finished["waits"].cached_tokens >= len(prompt) // BLOCK * BLOCK
    assert harness.tokens["waits"] == reference(loaded(kind), prompt, OUTPUT)[0]


def test_a_sequence_that_is_cancelled_while_its_blocks_are_put_in_place_leaves_them_to_others(
    restarted, loaded, small_pieces
):
    prompt = tokens(500)
    restarted("qwen3").answer(prompt, OUTPUT)
    restarted("qwen3").loop._prefix.close()
    harness = restarted("qwen3")
    begin_to_talk(harness)
    harness.submit("gone", prompt, OUTPUT)
    while not harness.loop._prefix.placing:
        assert "gone" not in harness.finished
        harness.turn()
    harness.loop.submit(Cancel("gone"))
    harness.run()
    harness.loop._prefix.close()  # from here on the disk has nothing
    assert harness.answer(prompt, OUTPUT) == reference(loaded("qwen3"), prompt, OUTPUT)[0]
    assert harness.finished["alone"].cached_tokens >= len(prompt) // BLOCK * BLOCK


def test_what_went_missing_on_the_disk_is_computed(restarted, loaded, tmp_path):
    prompt = tokens(500)
    restarted("qwen3").answer(prompt, OUTPUT)
    restarted("qwen3").loop._prefix.close()
    for path in tmp_path.rglob("*.kv"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 255
        path.write_bytes(data)
    harness = restarted("qwen3")
    assert harness.answer(prompt, OUTPUT) == reference(loaded("qwen3"), prompt, OUTPUT)[0]
    assert harness.finished["alone"].cached_tokens < len(prompt) - 1


# A small family of prompts with shared and diverging beginnings.
TRUNK = tokens(330, 5)
PROMPTS = [
    [*TRUNK[:cut], *tokens(extra, 10 * cut + extra)] for cut in (0, 40, 64, 100, 128, 200, 330) for extra in (1, 30, 90)
]
ACTIONS = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, len(PROMPTS) - 1), st.integers(1, OUTPUT), st.integers(0, 400)),
    st.tuples(st.just("turn"), st.integers(1, 8)),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("limit"), st.sampled_from([0, 50_000, 200_000, 1 << 30])),
    st.tuples(st.just("evict"), st.integers(1, 4)),
    st.tuples(st.just("finish")),
    st.tuples(st.just("forget")),
)


@pytest.mark.parametrize("with_disk", [False, True])
@pytest.mark.parametrize("kind", ["qwen3", "gemma3", "qwen3_5", "falcon_h1", "deepseek_v3"])
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=st.lists(ACTIONS, max_size=25))
def test_any_history_gives_the_answers_of_an_uncached_engine(harnesses, expected, kind, with_disk, actions):
    harness = harnesses(kind, with_disk)
    harness.loop._prefix.ram.clear()
    harness.loop.limits.prefix_bytes = 1 << 30
    asked: dict[str, tuple[int, int]] = {}
    for action in actions:
        _act(harness, action, asked)
    harness.run()
    for id, (prompt, length) in asked.items():
        answer = expected(kind, prompt)[:length]
        got = harness.tokens.pop(id, [])
        assert got == answer if harness.finished.pop(id).reason != "cancelled" else got == answer[: len(got)]
    assert harness.loop._prefix.ram.nbytes == held_bytes(harness)


def _act(harness: Harness, action: tuple, asked: dict[str, tuple[int, int]]) -> None:
    match action:
        case "ask", prompt, length, boundary:
            id = f"{len(asked)}"
            asked[id] = prompt, length
            boundaries = (boundary,) if 0 < boundary < len(PROMPTS[prompt]) else ()
            harness.submit(id, PROMPTS[prompt], length, boundaries=boundaries)
        case "turn", n:
            for _ in range(n):
                harness.turn()
        case "cancel", which:
            harness.loop.submit(Cancel(str(which)))
        case "limit", nbytes:
            harness.loop.limits.prefix_bytes = nbytes
        case "evict", n:
            ram = harness.loop._prefix.ram
            for item in list(ram._order())[:n]:
                ram._evict(item)
        case ("finish",):
            harness.run()
        case ("forget",):  # as a restart does
            harness.run()
            harness.loop._prefix.ram.clear()


def held_bytes(harness: Harness) -> int:
    """What the RAM tier holds, counted anew."""
    ram = harness.loop._prefix.ram
    blocks = sum(nbytes_of(p) for node in ram.tree.nodes.values() for p in node.parts.values())
    return blocks + sum(idle.nbytes for idle in ram.idle)


@pytest.fixture(scope="module")
def harnesses(loaded, tmp_path_factory):
    """harnesses(kind, with_disk) -> an engine that lives through all examples, and its disk too."""

    def make(kind: str, with_disk: bool) -> Harness:
        tier = SsdTier(tmp_path_factory.mktemp(kind), kind, 1 << 30, free_floor_bytes=0) if with_disk else None
        return Harness(loaded(kind), disk=tier, max_waiting=100)

    return lru_cache(maxsize=None)(make)


@pytest.fixture(scope="module")
def expected(loaded):
    """expected(kind, prompt) -> what mlx-lm itself answers."""
    return lru_cache(maxsize=None)(lambda kind, prompt: reference(loaded(kind), PROMPTS[prompt], OUTPUT)[0])


def test_logits_from_the_cache_are_those_without(engine, loaded):
    for kind in ("qwen3", "gpt_oss", "qwen3_next"):
        cached, plain = engine(kind), engine(kind, prefix_bytes=0)
        prompt = tokens(180)
        cached.answer(prompt, 2)
        cached.submit("a", [*prompt, 9, 8, 7], 3, Sampling(temperature=0, top_logprobs=5))
        plain.submit("a", [*prompt, 9, 8, 7], 3, Sampling(temperature=0, top_logprobs=5))
        cached.run()
        plain.run()
        assert cached.finished["a"].cached_tokens >= len(prompt) - 1
        for mine, theirs in zip(cached.logprobs["a"], plain.logprobs["a"], strict=True):
            assert mine.token == theirs.token
            assert abs(mine.logprob - theirs.logprob) < 1e-4
