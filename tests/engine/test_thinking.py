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
    output = harness.answer(prompt(9), 30, sampling, thinking=Thinking(budget, closer, open=True))
    assert output[: budget + 1] == [*free[:budget], closer]
    assert set(output[budget + 1 :]) != {closer}
    assert len(output) == 30


def test_a_model_that_closes_by_itself_is_let_alone(harness):
    free = harness.answer(prompt(9), 30)
    closer = next(token for token in free if free.count(token) == 1)
    assert harness.answer(prompt(9), 30, thinking=Thinking(free.index(closer), closer, open=True)) == free
    assert harness.answer(prompt(9), 30, thinking=Thinking(29, closer, open=True)) == free


def test_reasoning_that_the_model_opens_is_counted_from_there(harness, markers):
    free = harness.answer(prompt(9), 30)
    opener = next(token for token in free if free.count(token) == 1)
    at = free.index(opener)
    output = harness.answer(prompt(9), 30, thinking=Thinking(3, markers[1], opener))
    assert output[: at + 5] == [*free[: at + 4], markers[1]]


def test_without_reasoning_nothing_is_limited(harness, markers):
    free = harness.answer(prompt(9), 30)
    assert harness.answer(prompt(9), 30, thinking=Thinking(0, markers[1], markers[0])) == free


def test_the_grammar_begins_behind_the_forced_closer(harness, markers, tokenizer):
    opener, closer = markers
    grammar = Grammar('start: "the entry is there"', after=closer)
    output = harness.answer(prompt(9), 60, grammar=grammar, thinking=Thinking(4, closer, opener, open=True))
    assert output[4] == closer
    assert tokenizer.decode(output[5:]) == "the entry is there"
    assert harness.finished["alone"].reason == "stop"


def test_a_grammar_that_holds_the_reasoning_itself_is_obeyed(harness, markers, tokenizer):
    opener, closer = markers
    grammar = Grammar(f"start: <[{opener}]> /[a-z ]*/ <[{closer}]> {json.dumps(' the name')}")
    output = harness.answer(prompt(9), 60, grammar=grammar, thinking=Thinking(5, closer, opener))
    assert output[0] == opener
    assert output.index(closer) <= 6
    assert tokenizer.decode(output[output.index(closer) + 1 :]) == " the name"


def test_the_budget_does_not_leak_into_other_rows(harness, markers):
    opener, closer = markers
    free = harness.answer(prompt(9), 30)
    harness.submit("free", prompt(9), 30)
    harness.submit("short", prompt(9), 30, thinking=Thinking(6, closer, opener, open=True))
    harness.run()
    assert harness.tokens["free"] == free
    assert harness.tokens["short"][:7] == [*free[:6], closer]


@pytest.mark.parametrize("closer", [0, 31, 32, 63, VOCAB - 1])
def test_every_bit_of_a_mask_can_be_the_closer(closer):
    words = np.full(-(-VOCAB // 32), -1, dtype=np.int32)
    ThinkingBudget(Thinking(0, closer, open=True)).restrict(words)
    (allowed,) = np.nonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))
    assert allowed.tolist() == [closer]


def test_a_closer_that_the_grammar_does_not_allow_yet_is_waited_for():
    words = np.full(10, 0b1010, dtype=np.int32)
    ThinkingBudget(Thinking(0, 2, open=True)).restrict(words)
    assert (words == 0b1010).all()


def test_blocks_of_reasoning_share_the_budget():
    budget = ThinkingBudget(Thinking(3, closer=2, opener=1))
    for token in [5, 1, 5, 5, 2, 5, 5, 1]:
        assert not budget.spent
        budget.consume(token)
    assert not budget.spent
    budget.consume(5)
    assert budget.spent
    budget.consume(2)
    assert not budget.spent
    budget.consume(1)
    assert budget.spent
