"""Reasoning: switched on and off in every way that clients know, and told apart from the answer."""

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.conformance.talk import SUM, ask, assembled, said, stream

ON: list[dict[str, Any]] = [
    {"enable_thinking": True},
    {"chat_template_kwargs": {"enable_thinking": True}},
    {"reasoning_effort": "low"},
    {"reasoning_effort": "high"},
    {"enable_thinking": True, "reasoning_effort": "none"},
    {},  # the model's template thinks where nobody says otherwise
]
OFF: list[dict[str, Any]] = [
    {"enable_thinking": False},
    {"chat_template_kwargs": {"enable_thinking": False}},
    {"reasoning_effort": "none"},
    {"thinking_budget": 0},
    {"enable_thinking": False, "reasoning_effort": "high"},
    {"enable_thinking": False, "chat_template_kwargs": {"enable_thinking": True}},
]


@pytest.mark.parametrize("fields", ON, ids=str)
def test_thinking(client: OpenAI, fields: dict[str, Any]) -> None:
    completion = ask(client, SUM, thinking=None, **fields)
    answer = said(completion)
    assert answer.reasoning.strip() == "12 + 30 = 42."
    assert answer.content == "The answer is 42."
    usage = completion.usage
    assert 5 <= usage.completion_tokens_details.reasoning_tokens < usage.completion_tokens


@pytest.mark.parametrize("fields", OFF, ids=str)
def test_not_thinking(client: OpenAI, fields: dict[str, Any]) -> None:
    completion = ask(client, SUM, thinking=None, **fields)
    assert said(completion).reasoning == ""
    assert "reasoning_content" not in completion.choices[0].message.model_dump()
    assert said(completion).content == "12 + 30 = 42."
    assert completion.usage.completion_tokens_details.reasoning_tokens == 0


def test_the_markers_are_in_neither_text(client: OpenAI) -> None:
    answer = assembled(stream(client, SUM, thinking=True))
    assert "think>" not in answer.reasoning + answer.content


def test_reasoning_comes_before_the_answer_and_token_by_token(client: OpenAI) -> None:
    deltas = [chunk.choices[0].delta for chunk in stream(client, SUM, thinking=True)]
    kinds = ["r" if getattr(delta, "reasoning_content", None) else "c" for delta in deltas[1:-1]]
    assert "".join(kinds).startswith("rrrr")
    assert kinds == sorted(kinds, reverse=True)


def test_an_answer_cut_while_thinking_has_no_content(client: OpenAI) -> None:
    completion = ask(client, SUM, thinking=True, max_tokens=5)
    answer = said(completion)
    assert (answer.content, answer.finish_reason) == ("", "length")
    assert answer.reasoning.startswith("12")
    assert completion.usage.completion_tokens_details.reasoning_tokens == 5


@pytest.mark.parametrize("name", ["thinking_token_budget", "thinking_budget"])
def test_thinking_ends_at_its_budget_and_the_answer_comes(client: OpenAI, name: str) -> None:
    fields: dict[str, Any] = {name: 4}
    completion = ask(client, SUM, thinking=True, **fields)
    answer = said(completion)
    assert answer.reasoning
    assert "12 + 30 = 42.".startswith(answer.reasoning.strip())
    assert answer.reasoning.strip() != "12 + 30 = 42."
    assert answer.content
    assert answer.finish_reason == "stop"
    assert completion.usage.completion_tokens_details.reasoning_tokens <= 5  # the closer too


def test_a_budget_that_is_not_used_up_changes_nothing(client: OpenAI) -> None:
    fields: dict[str, Any] = {"thinking_budget": 100}
    assert said(ask(client, SUM, thinking=True, **fields)) == said(ask(client, SUM, thinking=True))


def test_the_answer_keeps_its_schema_behind_cut_reasoning(client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    response_format = {"type": "json_schema", "json_schema": {"name": "sum", "schema": schema}}
    fields: dict[str, Any] = {"thinking_budget": 3}
    answer = said(ask(client, SUM, thinking=True, response_format=response_format, **fields))
    assert answer.reasoning
    assert isinstance(json.loads(answer.content)["sum"], int)


def test_earlier_reasoning_may_be_sent_back(client: OpenAI) -> None:
    first = ask(client, "My favorite color is teal.", thinking=True).choices[0].message
    messages = [
        {"role": "user", "content": "My favorite color is teal."},
        first.model_dump(),
        {"role": "user", "content": "What is my favorite color?"},
    ]
    answer = said(ask(client, messages, thinking=True))
    assert "teal" in answer.content
    assert answer.reasoning
