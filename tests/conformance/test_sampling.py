"""Drawing: greedy and random, seeds, choices, penalties and biases."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai import OpenAI
from tokenizers import Tokenizer

from tests.conformance.talk import CODE, NOTES, STORY, ask, assembled, said, schema_format, spent, stream
from vivace.assets import embedded_model_path

RANDOM: dict[str, Any] = {"temperature": 1, "max_tokens": 24}


def token_id(text: str) -> int:
    """Of a text that is one token."""
    tokenizer = Tokenizer.from_file(str(embedded_model_path() / "tokenizer.json"))
    (token,) = tokenizer.encode(text, add_special_tokens=False).ids
    return token


def text(client: OpenAI, **fields: Any) -> str:
    return said(ask(client, STORY, **fields)).content


def test_the_same_seed_draws_the_same_text(client: OpenAI) -> None:
    first = ask(client, STORY, **RANDOM, seed=7)
    again = ask(client, STORY, **RANDOM, seed=7)
    assert said(first) == said(again)
    assert first.system_fingerprint == again.system_fingerprint
    assert said(first) == assembled(stream(client, STORY, **RANDOM, seed=7))


def test_other_seeds_draw_other_texts(client: OpenAI) -> None:
    assert len({text(client, **RANDOM, seed=seed) for seed in range(4)}) == 4


def test_without_a_seed_every_text_is_another(client: OpenAI) -> None:
    assert len({text(client, **RANDOM) for _ in range(3)}) == 3


def test_a_seed_draws_the_same_whatever_else_is_in_the_batch(client: OpenAI) -> None:
    """Prompts of several lengths, greedy and random, with grammars and penalties, join and leave around it."""
    alone = text(client, **RANDOM, seed=7)
    others: list[dict[str, Any]] = [
        {"messages": STORY, "max_tokens": 60},
        {"messages": STORY, "max_tokens": 50, "temperature": 2, "seed": 1},
        {"messages": NOTES.format(CODE) * 12, "max_tokens": 20, "temperature": 1},
        {"messages": STORY, "response_format": schema_format({"type": "boolean"})},
        {"messages": STORY, "max_tokens": 40, "frequency_penalty": 1.5, "temperature": 0.7},
        {"messages": STORY, "max_tokens": 30, "logprobs": True, "top_logprobs": 5, "thinking": True},
    ]
    with ThreadPoolExecutor(len(others) + 2) as pool:
        running = [pool.submit(ask, client, **other) for other in others]
        in_company = [pool.submit(text, client, **RANDOM, seed=7) for _ in range(2)]
        assert [each.result() for each in in_company] == [alone, alone]
        assert all(each.result().usage.completion_tokens > 0 for each in running)


def test_choices_are_drawn_with_seeds_of_their_own(client: OpenAI) -> None:
    three = ask(client, STORY, **RANDOM, n=3, seed=7)
    texts = [said(three, index).content for index in range(3)]
    assert [choice.index for choice in three.choices] == [0, 1, 2]
    assert len(set(texts)) == 3
    assert texts[:2] == [text(client, **RANDOM, seed=7), text(client, **RANDOM, seed=8)]
    assert three.usage.completion_tokens == 3 * RANDOM["max_tokens"]


def test_streamed_choices_are_told_apart_by_index(client: OpenAI) -> None:
    whole = ask(client, STORY, **RANDOM, n=3, seed=7)
    chunks = stream(client, STORY, **RANDOM, n=3, seed=7, stream_options={"include_usage": True})
    assert [assembled(chunks, index) for index in range(3)] == [said(whole, index) for index in range(3)]
    order = [chunk.choices[0].index for chunk in chunks if chunk.choices]
    assert order != sorted(order)  # side by side, not one after the other
    assert spent(chunks[-1].usage) == spent(whole.usage)


@pytest.mark.parametrize(
    "fields",
    [{"temperature": 2, "top_k": 1}, {"temperature": 2, "top_p": 0}, {"temperature": 2, "top_p": 1e-9}],
    ids=["top_k", "top_p 0", "top_p tiny"],
)
def test_only_the_best_token_is_left(client: OpenAI, fields: dict[str, Any]) -> None:
    assert text(client, max_tokens=20, **fields, seed=3) == text(client, max_tokens=20)


def test_temperature_two_is_wild_and_still_text(client: OpenAI) -> None:
    wild = text(client, temperature=2, max_tokens=24, seed=8)
    assert wild
    assert wild != text(client, max_tokens=24)
    tamed = text(client, temperature=2, min_p=0.5, max_tokens=24, seed=8)
    assert " fox named " in tamed


def test_tiny_temperatures_are_nearly_greedy(client: OpenAI) -> None:
    assert text(client, temperature=1e-6, max_tokens=20, seed=1) == text(client, max_tokens=20)


def test_a_banned_token_does_not_come(client: OpenAI) -> None:
    first = said(ask(client, STORY, max_tokens=1, logprobs=True)).logprobs[0].token
    banned = text(client, max_tokens=20, logit_bias={str(token_id(first)): -100})
    assert not banned.startswith(first)
    assert banned.startswith(("There", "Once"))


def test_a_forced_token_comes_always(client: OpenAI) -> None:
    assert text(client, max_tokens=5, logit_bias={str(token_id("fox")): 100}) == "fox" * 5


LOOP = "Repeat the word fox ten times."  # beyond the model, which falls into a loop


@pytest.mark.parametrize(
    "penalty", [{"frequency_penalty": 2}, {"presence_penalty": 2}, {"repetition_penalty": 1.5}], ids=str
)
def test_penalties_end_a_loop(client: OpenAI, penalty: dict[str, float]) -> None:
    plain = said(ask(client, LOOP, max_tokens=30))
    assert plain.content.count(" ten") > 10
    punished = said(ask(client, LOOP, max_tokens=30, **penalty))
    assert punished.content.count(" ten") < 6


def test_a_negative_penalty_rewards_it(client: OpenAI) -> None:
    rewarded = text(client, max_tokens=60, frequency_penalty=-2, presence_penalty=-2)
    assert len(rewarded.split()) < 15  # the space itself is the most frequent token
