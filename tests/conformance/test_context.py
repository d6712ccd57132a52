"""Long prompts: a fact is found in the middle of them; what is too long is refused at once."""

import re
import time

import openai
import pytest
from openai import OpenAI

from tests.conformance.talk import ASK_CODE, CODE, NOTES, ask, said, stream
from tests.conformance.test_status import CONTEXT

NAMES = ("Olga Green", "Ivan Ford", "Leo Lane", "Wendy Baker", "Marco Young", "Priya Rossi", "Tara Diaz")
PLACES = ("forest", "market", "harbor", "garden", "ticket")
THINGS = ("blanket", "piano", "recipe", "laptop", "map", "kettle", "vase", "coin")


def sentence(number: int) -> str:
    name, place, thing = (words[number % len(words)] for words in (NAMES, PLACES, THINGS))
    return f"Later, {name} went to the {place} to store a {thing}."


def document(sentences: int) -> str:
    """Sentences about nothing, with the fact in the middle."""
    lines = [sentence(number) for number in range(sentences)]
    lines.insert(sentences // 2, CODE)
    return "\n\n".join(" ".join(lines[at : at + 4]) for at in range(0, len(lines), 4))


@pytest.mark.slow
def test_a_fact_in_a_document_of_4000_tokens_is_found(client: OpenAI) -> None:
    completion = ask(client, NOTES.format(document(230)) + ASK_CODE)
    assert 3800 < completion.usage.prompt_tokens < 4800
    assert "48213" in said(completion).content


@pytest.mark.parametrize("streaming", [False, True])
def test_a_prompt_beyond_the_context_is_refused_before_any_work(client: OpenAI, streaming: bool) -> None:
    began = time.monotonic()
    with pytest.raises(openai.BadRequestError) as refused:
        (stream if streaming else ask)(client, "word " * (CONTEXT + 500))
    assert time.monotonic() - began < 5  # prefill of so many tokens takes a minute
    error = refused.value
    assert (error.code, error.param, error.type) == ("context_length_exceeded", "messages", "invalid_request_error")
    numbers = [int(number) for number in re.findall(r"\d+", error.message)]
    assert CONTEXT in numbers
    assert max(numbers) > CONTEXT + 500


def test_more_tokens_than_the_context_has_left_are_no_error(client: OpenAI) -> None:
    assert said(ask(client, "Who are you?", max_tokens=10 * CONTEXT)).finish_reason == "stop"
