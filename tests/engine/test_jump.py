"""Jump-forward: what the grammar forces is prefilled at once, and the output is the one that decoding gives."""

import json
import random

import pytest
from tokenizers import Tokenizer

from tests.engine.grammar_text import CLOSER, END, KEYS, SCHEMA, write_tokenizer
from tests.engine.harness import GREEDY, Harness
from tests.random_models import KINDS, VOCAB
from vivace.engine.cache import slab
from vivace.engine.matcher import GrammarCompiler
from vivace.protocol import Cancel, Grammar, Sampling

NEVER = 10**9
ENTRY = Grammar(SCHEMA)
FORCED = "words that can only be these, and one more " * 3
SAMPLED = Sampling(seed=5, temperature=1.0, top_p=0.95)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tokenizer")


@pytest.fixture(scope="module")
def tokenizer(folder) -> Tokenizer:
    return write_tokenizer(folder)


@pytest.fixture
def both(loaded, folder, tokenizer):
    """both(kind) -> an engine that decodes every token, and one that jumps."""

    def make(kind: str = "qwen3", **limits) -> tuple[Harness, Harness]:
        return tuple(Harness(loaded(kind), folder, shortest_run=run, **limits) for run in (NEVER, 3))

    return make


def prompt(length: int, seed: int = 0) -> list[int]:
    return random.Random(1000 * length + seed).choices(range(VOCAB - 4), k=length)


def literal(text: str, after: int | None = None, rest: str = "") -> Grammar:
    return Grammar(f"start: {json.dumps(text)} {rest}", after)


LONG = literal(FORCED, rest="/[a-z]{1,4}/")


def steps_of(harness: Harness, *args, **more) -> tuple[list[int], int]:
    """The answer and the decode steps it took."""
    before = harness.loop.steps
    return harness.answer(*args, **more), harness.loop.steps - before


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED])
@pytest.mark.parametrize("kind", KINDS)
def test_the_output_is_the_one_of_decoding_in_fewer_steps(both, tokenizer, kind, sampling, monkeypatch):
    monkeypatch.setattr(slab, "SLACK", slab.BLOCK + 8)  # windowed slabs are compacted
    plain, jumping = both(kind)
    expected, decoded = steps_of(plain, prompt(30), 200, sampling, grammar=ENTRY)
    output, steps = steps_of(jumping, prompt(30), 200, sampling, grammar=ENTRY)
    assert output == expected
    assert list(json.loads(tokenizer.decode(output))) == list(KEYS)
    assert jumping.finished["alone"].completion_tokens == plain.finished["alone"].completion_tokens == len(output)
    assert steps <= decoded - 12


@pytest.mark.parametrize("kind", ["qwen3", "gpt_oss", "qwen3_5", "falcon_h1", "deepseek_v3"])
def test_rows_that_jump_and_rows_that_do_not_share_a_batch(both, kind):
    plain, jumping = both(kind)
    for harness in (plain, jumping):
        for i in range(3):
            harness.submit(f"json {i}", prompt(7 + i), 200, grammar=ENTRY)
            harness.turn()
            harness.submit(f"free {i}", prompt(20 + i), 40 + i)
            harness.turn()
        harness.run()
    assert not plain.failed
    assert jumping.tokens == plain.tokens
    assert {id: f.reason for id, f in jumping.finished.items()} == {id: f.reason for id, f in plain.finished.items()}


def test_a_run_longer_than_the_chunk_lets_others_decode(both):
    plain, jumping = both(chunk=32, prefill_rate=1.0)
    for harness in (plain, jumping):
        harness.submit("free", prompt(5), 60)
        harness.turn()
        harness.submit("forced", prompt(9), 400, grammar=LONG)
    while "forced" not in jumping.tokens:
        jumping.turn()
    seen = len(jumping.tokens["free"])
    while "forced" in jumping.loop.waiting:
        jumping.turn()
    assert len(jumping.tokens["free"]) >= seen + 3
    for harness in (plain, jumping):
        harness.run()
    assert jumping.tokens == plain.tokens


def test_a_run_goes_before_prompts_that_wait(both):
    _, jumping = both(max_batch=2, chunk=32, prefill_rate=1.0)
    jumping.submit("forced", prompt(3), 400, grammar=Grammar('start: /[a-z]/ "forced words"'))
    jumping.submit("long", prompt(1500), 1)
    while "forced" not in jumping.finished:
        jumping.turn()
    assert "long" in jumping.loop.waiting


def test_what_is_forced_from_the_beginning_is_said_before_the_first_step_of_decoding(both, tokenizer):
    plain, jumping = both()
    output, steps = steps_of(jumping, prompt(6), 400, grammar=literal(FORCED))
    assert tokenizer.decode(output) == FORCED
    assert output == plain.answer(prompt(6), 400, grammar=literal(FORCED))
    assert jumping.finished["alone"].reason == "stop"
    assert steps <= 3


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 17])
def test_max_tokens_ends_a_run(both, limit):
    plain, jumping = both()
    assert jumping.answer(prompt(6), limit, grammar=ENTRY) == plain.answer(prompt(6), limit, grammar=ENTRY)
    assert jumping.finished["alone"].reason == "length"
    assert jumping.finished["alone"].completion_tokens == limit


def test_a_stop_id_ends_a_run_and_is_not_sent(both, tokenizer):
    end = tokenizer.token_to_id(END)
    forced = Grammar(f'start: "the entry" <[{end}]> "is there"')
    for harness in both():
        output = harness.answer(prompt(6), 50, grammar=forced, stop_ids=(end,))
        assert tokenizer.decode(output) == "the entry"
        assert harness.finished["alone"].reason == "stop"
        assert harness.finished["alone"].completion_tokens == len(output) + 1


def test_a_special_token_is_forced_as_that_token(both, tokenizer):
    closer = tokenizer.token_to_id(CLOSER)
    forced = Grammar(f'start: "the name" <[{closer}]> "of the entry"')
    plain, jumping = both()
    output, steps = steps_of(jumping, prompt(6), 50, grammar=forced)
    assert output == plain.answer(prompt(6), 50, grammar=forced)
    assert output.count(closer) == 1
    assert steps < len(output) / 2


def test_a_row_is_cancelled_while_it_jumps(both):
    plain, jumping = both("qwen3_5", chunk=32, prefill_rate=1.0)
    jumping.submit("gone", prompt(9), 400, grammar=LONG)
    jumping.submit("stays", prompt(5), 30)
    while "gone" not in jumping.tokens:
        jumping.turn()
    jumping.loop.submit(Cancel("gone"))
    jumping.turn()
    assert jumping.finished["gone"].reason == "cancelled"
    jumping.run()
    assert jumping.tokens["stays"] == plain.answer(prompt(5), 30)


def test_the_grammar_jumps_behind_reasoning_only(both, tokenizer):
    plain, jumping = both()
    *thoughts, closer = plain.answer(prompt(6), 5)
    assert closer not in thoughts
    output = jumping.answer(prompt(6), 400, grammar=literal("the entry is there", after=closer))
    assert output[:5] == [*thoughts, closer]
    assert tokenizer.decode(output[5:]) == "the entry is there"


def test_penalties_count_forced_tokens(both):
    sampling = Sampling(temperature=0, presence_penalty=1.5, frequency_penalty=0.5, repetition_penalty=1.2)
    plain, jumping = both()
    assert jumping.answer(prompt(6), 200, sampling, grammar=ENTRY) == plain.answer(
        prompt(6), 200, sampling, grammar=ENTRY
    )


def test_log_probabilities_are_those_of_the_model_for_every_token(both):
    sampling = Sampling(temperature=0, top_logprobs=2)
    plain, jumping = both()
    output = jumping.answer(prompt(6), 200, sampling, grammar=ENTRY)
    assert output == plain.answer(prompt(6), 200, sampling, grammar=ENTRY)
    assert [entry.token for entry in jumping.logprobs["alone"]] == output
    assert jumping.logprobs["alone"] == plain.logprobs["alone"]


def test_progress_is_told_of_prompts_only(both):
    _, jumping = both(chunk=32, prefill_rate=1e9)
    jumping.answer(prompt(70), 400, grammar=LONG)
    assert jumping.progress["alone"] == [32, 69]


@pytest.mark.parametrize("begin", ["{", '{"', '{"the', '{"the_iden', '{"the_identifier_of_the_entry', ""])
def test_forced_tokens_are_those_of_the_tokenizer_behind_what_was_said(folder, tokenizer, begin):
    """Whatever token the output ended with: they spell the forced bytes, and masks force the same one by one."""
    said = tokenizer.encode(begin).ids
    compiler = GrammarCompiler(folder, VOCAB)
    matcher, other = (compiler.submit(ENTRY).result() for _ in range(2))
    for token in said:
        matcher.consume(token)
        other.consume(token)
    run = matcher.forced()
    whole = tokenizer.encode(f'{{"{KEYS[0]}":1').ids
    text = tokenizer.decode(said + run)
    assert f'{{"{KEYS[0]}":'.startswith(text)
    assert len(text) >= len(f'{{"{KEYS[0]}')
    assert run == tokenizer.encode(text[len(begin) :]).ids
    if whole[: len(said)] == said:
        assert said + run == whole[: len(said) + len(run)]
    for i, token in enumerate(run):
        assert other.forced()[: len(run) - i] == run[i:]
        other.consume(token)
