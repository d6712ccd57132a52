import math

import pytest
from openai import OpenAI

from tests.conformance.talk import STORY, SUM, Said, ask, said, schema_format


def spelled(answer: Said) -> bytes:
    return bytes(byte for token in answer.logprobs for byte in token.bytes or [])


def test_logprobs_spell_the_answer(client: OpenAI) -> None:
    answer = said(ask(client, SUM, logprobs=True))
    assert spelled(answer).decode() == answer.content
    assert all(token.logprob <= 0 for token in answer.logprobs)
    assert all(token.top_logprobs == [] for token in answer.logprobs)


def test_greedy_tokens_are_the_most_likely(client: OpenAI) -> None:
    answer = said(ask(client, STORY, logprobs=True, top_logprobs=20, max_tokens=16))
    for token in answer.logprobs:
        top = [each.logprob for each in token.top_logprobs]
        assert len(top) == 20
        assert top == sorted(top, reverse=True)
        assert (token.top_logprobs[0].token, top[0]) == (token.token, token.logprob)
        assert sum(map(math.exp, top)) <= 1 + 1e-4


def test_a_sure_answer_is_sure_and_an_open_one_is_not(client: OpenAI) -> None:
    sum_tokens = said(ask(client, SUM, logprobs=True)).logprobs
    assert next(token for token in sum_tokens if token.token.startswith("4")).logprob > -0.1
    first, *_ = said(ask(client, STORY, logprobs=True, top_logprobs=3, max_tokens=1)).logprobs
    assert {each.token for each in first.top_logprobs} == {"Long", "There", "Once"}


def test_drawn_tokens_have_their_own_logprob(client: OpenAI) -> None:
    answer = said(ask(client, STORY, logprobs=True, top_logprobs=20, temperature=1, seed=7, max_tokens=16))
    for token in answer.logprobs:
        listed = {each.token: each.logprob for each in token.top_logprobs}
        assert token.logprob == pytest.approx(listed.get(token.token, token.logprob))
        assert token.logprob <= token.top_logprobs[0].logprob
    assert any(token.token != token.top_logprobs[0].token for token in answer.logprobs)


def test_logprobs_are_those_of_the_content_not_of_the_reasoning(client: OpenAI) -> None:
    answer = said(ask(client, SUM, logprobs=True, thinking=True))
    assert answer.reasoning
    assert spelled(answer).decode().strip() == answer.content.strip()


def test_characters_of_several_tokens_are_exact_in_bytes(client: OpenAI) -> None:
    answer = said(ask(client, "Reply", logprobs=True, response_format=schema_format({"enum": ["東京 😀"]})))
    assert spelled(answer).decode() == answer.content == '"東京 😀"'
    assert len(answer.logprobs) > len(answer.content)


def test_without_the_wish_there_are_none(client: OpenAI) -> None:
    assert ask(client, SUM).choices[0].logprobs is None
    assert ask(client, SUM, logprobs=False).choices[0].logprobs is None


def test_every_choice_has_its_own(client: OpenAI) -> None:
    both = ask(client, STORY, logprobs=True, n=2, temperature=1, seed=7, max_tokens=8)
    for index in range(2):
        assert spelled(said(both, index)).decode() == said(both, index).content
