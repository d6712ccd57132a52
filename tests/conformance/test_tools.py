"""Tool calls: the right function with the right arguments, however they are asked for."""

import json
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.conformance.server import MODEL
from tests.conformance.talk import (
    ASK_WEATHER,
    JSON,
    READ,
    STORY,
    WEATHER,
    arguments,
    ask,
    assembled,
    said,
    stream,
    tool,
    user,
)

TIMER = ("set_timer", "Start a timer.", {"duration_minutes": {"type": "integer", "description": "Length in minutes"}})
LIGHT = ("control_light", "Switch a light on or off.", {"room": {"type": "string"}, "on": {"type": "boolean"}})
EMAIL = ("disable_email", "Disable an email.", {"members": {"type": "array", "items": {"type": "string"}}})
UNIT = ("set_unit", "Set the temperature unit", {"unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}})


def calls(client: OpenAI, question: str, **fields: Any) -> list[tuple[str, JSON]]:
    """(name, arguments) of each call of an answer that ends with calls."""
    answer = said(ask(client, question, **fields))
    assert answer.finish_reason == "tool_calls"
    return [(name, json.loads(arguments)) for name, arguments in answer.calls]


@pytest.mark.parametrize("thinking", [False, True])
@pytest.mark.parametrize(
    ("question", "call"),
    [
        (ASK_WEATHER, ("get_weather", {"city": "Lisbon"})),
        ("Read the file /etc/hosts", ("read_file", {"path": "/etc/hosts"})),
    ],
)
def test_the_model_chooses_the_tool_that_fits(
    client: OpenAI, question: str, call: tuple[str, JSON], thinking: bool
) -> None:
    answer = ask(client, question, tools=[WEATHER, READ], thinking=thinking)
    ((name, given),) = said(answer).calls
    assert (name, json.loads(given)) == call
    assert bool(said(answer).reasoning) == thinking
    assert answer.choices[0].message.content is None
    assert answer.choices[0].finish_reason == "tool_calls"


def test_no_tool_is_called_where_none_fits(client: OpenAI) -> None:
    answer = said(ask(client, STORY, tools=[WEATHER, READ], tool_choice="auto", max_tokens=30))
    assert answer.calls == []
    assert "fox" in answer.content


def test_parallel_calls(client: OpenAI) -> None:
    both = ask(client, "What is the weather in Lisbon and in Paris?", tools=[WEATHER])
    assert [json.loads(arguments)["city"] for _, arguments in said(both).calls] == ["Lisbon", "Paris"]
    ids = [call.id for call in both.choices[0].message.tool_calls]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("tool_choice", ["auto", "required"])
def test_without_parallel_calls_there_is_one(client: OpenAI, tool_choice: str) -> None:
    question = "What is the weather in Lisbon and in Paris?"
    fields = {"tools": [WEATHER], "parallel_tool_calls": False, "tool_choice": tool_choice}
    assert calls(client, question, **fields) == [("get_weather", {"city": "Lisbon"})]


@pytest.mark.parametrize("thinking", [False, True])
def test_required_forces_a_call_even_where_none_fits(client: OpenAI, thinking: bool) -> None:
    fields = {"tools": [WEATHER, READ], "tool_choice": "required", "thinking": thinking}
    assert calls(client, ASK_WEATHER, **fields) == [("get_weather", {"city": "Lisbon"})]
    for name, given in calls(client, STORY, **fields):
        assert (name, list(given)) in (("get_weather", ["city"]), ("read_file", ["path"]))


@pytest.mark.parametrize("thinking", [False, True])
def test_a_named_tool_is_called_whatever_was_asked(client: OpenAI, thinking: bool) -> None:
    named = {"type": "function", "function": {"name": "read_file"}}
    fields = {"tools": [WEATHER, READ], "tool_choice": named, "thinking": thinking}
    assert {name for name, _ in calls(client, ASK_WEATHER, **fields)} == {"read_file"}


def test_none_forbids_calls(client: OpenAI) -> None:
    answer = said(ask(client, ASK_WEATHER, tools=[WEATHER], tool_choice="none"))
    assert (answer.calls, answer.finish_reason) == ([], "stop")
    assert "<tool_call>" not in answer.content


# (question, tool, arguments): the type of each value is that of the schema.
TYPED: list[tuple[str, tuple[str, str, JSON], JSON]] = [
    ("Please set a timer for 55 minutes", TIMER, {"duration_minutes": 55}),
    ("Switch on the light in the kitchen", LIGHT, {"room": "kitchen", "on": True}),
    ("Turn off the light in the hall.", LIGHT, {"room": "hall", "on": False}),
    ('Disable an email: members set to ["Olga", "Ivan"]', EMAIL, {"members": ["Olga", "Ivan"]}),
    ("Set the temperature unit to fahrenheit", UNIT, {"unit": "fahrenheit"}),
]


@pytest.mark.parametrize(("question", "function", "expected"), TYPED)
def test_arguments_have_the_types_of_the_schema(
    client: OpenAI, question: str, function: tuple[str, str, JSON], expected: JSON
) -> None:
    assert calls(client, question, tools=[tool(*function, strict=True)]) == [(function[0], expected)]
    assert calls(client, question, tools=[tool(*function)], tool_choice="required")[0] == (function[0], expected)


def test_an_integer_needs_no_grammar_to_be_one(client: OpenAI) -> None:
    assert calls(client, TYPED[0][0], tools=[tool(*TIMER)]) == [("set_timer", {"duration_minutes": 55})]


def test_deltas_come_as_they_are_written(client: OpenAI) -> None:
    chunks = stream(client, "Read the file /etc/hosts", tools=[READ])
    deltas = [delta for chunk in chunks for delta in chunk.choices[0].delta.tool_calls or []]
    first, *rest = deltas
    assert (first.index, first.type, first.function.name, first.function.arguments) == (0, "function", "read_file", "")
    assert len(rest) > 3
    assert all((delta.index, delta.id, delta.type, delta.function.name) == (0, None, None, None) for delta in rest)
    assert json.loads("".join(delta.function.arguments for delta in rest)) == {"path": "/etc/hosts"}


def test_two_streamed_calls_are_told_apart_by_index(client: OpenAI) -> None:
    chunks = stream(client, "What is the weather in Lisbon and in Paris?", tools=[WEATHER])
    said_calls = assembled(chunks).calls
    assert [(name, json.loads(given)["city"]) for name, given in said_calls] == [
        ("get_weather", "Lisbon"),
        ("get_weather", "Paris"),
    ]


@pytest.mark.parametrize("thinking", [False, True])
@pytest.mark.parametrize("condition", ["sunny", "rainy"])
def test_the_round_trip(client: OpenAI, condition: str, thinking: bool) -> None:
    """Question, call, result, answer: the SDK's own objects go back as they came."""
    messages: list[Any] = user(ASK_WEATHER)
    message = ask(client, messages, tools=[WEATHER], thinking=thinking).choices[0].message
    (call,) = message.tool_calls
    result = json.dumps({"condition": condition, "temperature": 25})
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": result}]
    answer = said(ask(client, messages, tools=[WEATHER], thinking=thinking))
    assert answer.content == f"The weather in Lisbon is {condition} with 25 degrees."
    assert answer.finish_reason == "stop"


def test_results_as_parts_and_in_another_order(client: OpenAI) -> None:
    messages: list[Any] = user("What is the weather in Lisbon and in Paris?")
    message = ask(client, messages, tools=[WEATHER]).choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": [{"type": "text", "text": f'{{"condition": "{word}"}}'}]}
        for call, word in zip(message.tool_calls, ("sunny", "rainy"), strict=True)
    ]
    answer = said(ask(client, [*messages, message, *reversed(results)], tools=[WEATHER]))
    assert answer.finish_reason == "stop"
    assert "sunny" in answer.content or "rainy" in answer.content


def test_the_sdks_stream_helper(client: OpenAI) -> None:
    pieces: list[str] = []
    with client.chat.completions.stream(**arguments(ASK_WEATHER, tools=[WEATHER])) as events:
        for event in events:
            if event.type == "tool_calls.function.arguments.delta":
                pieces.append(event.arguments_delta)
        final = events.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert (call.function.name, call.function.parsed_arguments or json.loads(call.function.arguments)) == (
        "get_weather",
        {"city": "Lisbon"},
    )
    assert "".join(pieces) == call.function.arguments


class control_light(BaseModel):  # noqa: N801  the tool's name
    """Switch a light on or off."""

    room: str
    on: bool
    mode: Literal["soft", "bright"]


def test_the_sdks_typed_tools(client: OpenAI) -> None:
    completion = client.chat.completions.parse(
        **arguments("Switch on the light in the kitchen"), tools=[openai.pydantic_function_tool(control_light)]
    )
    (call,) = completion.choices[0].message.tool_calls
    light = call.function.parsed_arguments
    assert isinstance(light, control_light)
    assert (light.room, light.on) == ("kitchen", True)


def test_the_deprecated_functions(client: OpenAI) -> None:
    completion = client.chat.completions.create(**arguments(ASK_WEATHER, functions=[WEATHER["function"]]))
    choice = completion.choices[0]
    assert choice.finish_reason == "function_call"
    assert choice.message.function_call.name == "get_weather"
    assert json.loads(choice.message.function_call.arguments) == {"city": "Lisbon"}
    assert completion.model == MODEL
