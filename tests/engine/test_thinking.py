"""The thinking budget: the closer comes exactly behind it, and only there."""

import json

import numpy as np
import pytest

from tests.engine.grammar_text import CLOSER, OPENER, write_tokenizer
from tests.engine.harness import Harness
from tests.engine.test_jump import prompt
from tests.random_models import VOCAB
from vivace.engine.thinking import ThinkingBudget
from vivace.protocol import Grammar, Sampling, Thinking


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tokenizer")


@pytest.fixture(scope="module")
def tokenizer(folder):
    return write_tokenizer(folder)


@pytest.fixture
def harness(loaded, folder, tokenizer):
    return Harness(loaded("qwen3"), folder)


@pytest.fixture
def markers(tokenizer) -> tuple[int, int]:
    return tokenizer.token_to_id(OPENER), tokenizer.token_to_id(CLOSER)


@pytest.mark.parametrize("budget", [0, 1, 7, 20])
@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(seed=2, temperature=1.0, top_k=20)])
def test_the_closer_is_forced_exactly_at_the_budget(harness, budget, sampling):
    free = harness.answer(prompt(9), 30, sampling)
    closer = min(set(range(VOCAB)) - set(free))
    output = harness.answer(prompt(9), 30, sampling, thinking=Thinking(budget, (closer,), open=True))
    assert output[: budget + 1] == [*free[:budget], closer]
    assert set(output[budget + 1 :]) != {closer}
    assert len(output) == 30


def test_a_model_that_closes_by_itself_is_let_alone(harness):
    free = harness.answer(prompt(9), 30)
    closer = next(token for token in free if free.count(token) == 1)
    assert harness.answer(prompt(9), 30, thinking=Thinking(free.index(closer), (closer,), open=True)) == free
    assert harness.answer(prompt(9), 30, thinking=Thinking(29, (closer,), open=True)) == free


def test_reasoning_that_the_model_opens_is_counted_from_there(harness, markers):
    free = harness.answer(prompt(9), 30)
    opener = next(token for token in free if free.count(token) == 1)
    at = free.index(opener)
    output = harness.answer(prompt(9), 30, thinking=Thinking(3, markers[1:], (opener,)))
    assert output[: at + 5] == [*free[: at + 4], markers[1]]


def test_without_reasoning_nothing_is_limited(harness, markers):
    free = harness.answer(prompt(9), 30)
    assert harness.answer(prompt(9), 30, thinking=Thinking(0, markers[1:], markers[:1])) == free


def test_the_grammar_begins_behind_the_forced_closer(harness, markers, tokenizer):
    opener, closer = markers
    grammar = Grammar('start: "the entry is there"', after=closer)
    output = harness.answer(prompt(9), 60, grammar=grammar, thinking=Thinking(4, (closer,), (opener,), open=True))
    assert output[4] == closer
    assert tokenizer.decode(output[5:]) == "the entry is there"
    assert harness.finished["alone"].reason == "stop"


def test_a_grammar_that_holds_the_reasoning_itself_is_obeyed(harness, markers, tokenizer):
    opener, closer = markers
    grammar = Grammar(f"start: <[{opener}]> /[a-z ]*/ <[{closer}]> {json.dumps(' the name')}")
    output = harness.answer(prompt(9), 60, grammar=grammar, thinking=Thinking(5, (closer,), (opener,)))
    assert output[0] == opener
    assert output.index(closer) <= 6
    assert tokenizer.decode(output[output.index(closer) + 1 :]) == " the name"


def test_the_budget_does_not_leak_into_other_rows(harness, markers):
    opener, closer = markers
    free = harness.answer(prompt(9), 30)
    harness.submit("free", prompt(9), 30)
    harness.submit("short", prompt(9), 30, thinking=Thinking(6, (closer,), (opener,), open=True))
    harness.run()
    assert harness.tokens["free"] == free
    assert harness.tokens["short"][:7] == [*free[:6], closer]


@pytest.mark.parametrize("closer", [0, 31, 32, 63, VOCAB - 1])
def test_every_bit_of_a_mask_can_be_the_closer(closer):
    words = np.full(-(-VOCAB // 32), -1, dtype=np.int32)
    ThinkingBudget(Thinking(0, (closer,), open=True)).restrict(words)
    (allowed,) = np.nonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))
    assert allowed.tolist() == [closer]


def test_a_closer_that_the_grammar_does_not_allow_yet_is_waited_for():
    words = np.full(10, 0b1010, dtype=np.int32)
    ThinkingBudget(Thinking(0, (2,), open=True)).restrict(words)
    assert (words == 0b1010).all()


def forced_behind(budget: ThinkingBudget, *tokens: int) -> list[int | None]:
    """What is forced behind each of the tokens."""
    forced = []
    for token in tokens:
        budget.consume(token)
        forced.append(budget.forced)
    return forced


def test_blocks_of_reasoning_share_the_budget():
    budget = ThinkingBudget(Thinking(3, closer=(2,), opener=(1,)))
    assert forced_behind(budget, 5, 1, 5, 5, 2, 5, 5, 1) == [None] * 8
    assert forced_behind(budget, 5, 2, 1, 2) == [2, None, 2, None]


def test_a_closer_of_several_tokens_is_forced_token_by_token():
    budget = ThinkingBudget(Thinking(2, closer=(2, 3, 4), open=True))
    assert forced_behind(budget, 5, 5, 2, 3, 4, 5) == [None, 2, 3, 4, None, None]


def test_a_closer_that_the_model_has_begun_is_gone_on_with():
    budget = ThinkingBudget(Thinking(3, closer=(2, 2, 3), open=True))
    assert forced_behind(budget, 5, 5, 2) == [None, None, 2]
    assert forced_behind(budget, 2, 3, 5) == [3, None, None]


def test_only_the_whole_opener_opens():
    budget = ThinkingBudget(Thinking(0, closer=(2,), opener=(1, 7, 8)))
    assert forced_behind(budget, 1, 7, 9, 1, 1, 7, 8) == [None] * 6 + [2]


def test_what_must_follow_a_closer_is_forced_behind_one_at_the_limit_only():
    thinking = Thinking(2, closer=(2,), opener=(1,), open=True, resume=(6, 7))
    assert forced_behind(ThinkingBudget(thinking), 5, 2, 5) == [None, None, None]
    assert forced_behind(ThinkingBudget(thinking), 5, 5, 2, 6, 7, 5) == [None, 2, 6, 7, None, None]


def test_whoever_reasons_again_with_nothing_left_has_to_answer():
    budget = ThinkingBudget(Thinking(1, closer=(2,), opener=(1,), open=True, resume=(6,), answer=(8, 9)))
    assert forced_behind(budget, 5, 2, 6) == [2, 6, None]
    assert forced_behind(budget, 1, 2, 6, 8, 9) == [2, 6, 8, 9, None]


def test_a_grammar_that_wants_something_else_behind_the_closer_leads():
    budget = ThinkingBudget(Thinking(0, closer=(2,), open=True, resume=(6, 7, 8)))
    assert forced_behind(budget, 2, 6, 5) == [6, 7, None]


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(seed=2, temperature=1.0, top_k=20)])
def test_a_row_closes_with_all_the_tokens(harness, sampling):
    free = harness.answer(prompt(9), 30, sampling)
    first, second, third = sorted(set(range(VOCAB)) - set(free))[:3]
    thinking = Thinking(5, (first, second), open=True, resume=(third, first))
    output = harness.answer(prompt(9), 30, sampling, thinking=thinking)
    assert output[:9] == [*free[:5], first, second, third, first]
    assert len(output) == 30


def test_a_grammar_begins_behind_a_closer_of_several_tokens_and_goes_on_with_what_follows(harness, markers, tokenizer):
    opener, closer = markers
    grammar = Grammar(f'start: <[{opener}]> "the entry is there"', after=closer)
    thinking = Thinking(4, (opener, closer), open=True, resume=(opener, tokenizer.token_to_id("f")))
    output = harness.answer(prompt(9), 60, grammar=grammar, thinking=thinking)
    assert output[4:7] == [opener, closer, opener]
    assert tokenizer.decode(output[7:]) == "the entry is there"
