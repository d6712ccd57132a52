from typing import Any

import pytest

from vivace.chat.conversation import Message, ResponseFormat, Tool, ToolCall, ToolChoice
from vivace.errors import VivaceError
from vivace.server.wires.openai_chat_decode import decode

USER = {"role": "user", "content": "Hello"}
WEATHER = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TOOL = {"type": "function", "function": WEATHER}
CALLED = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"messages": list(messages) or [USER], **fields}


def schema_format(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


# (body, path of the field, a word of the message)
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "messages", "required"),
    ({"messages": []}, "messages", "at least 1"),
    ({"messages": "hi"}, "messages", "list"),
    ({"messages": None}, "messages", "list"),
    (body(7), "messages.0", "object"),
    (body({"content": "x"}), "messages.0.role", "required"),
    (body({"role": "alien", "content": "x"}), "messages.0.role", "assistant"),
    (body(USER, {"role": "user"}), "messages.1.content", "needs content"),
    (body({"role": "user", "content": None}), "messages.0.content", "needs content"),
    (body({"role": "user", "content": 5}), "messages.0.content", "string"),
    (body({"role": "user", "content": {"text": "x"}}), "messages.0.content", "string"),
    (body({"role": "user", "content": [5]}), "messages.0.content.0", "object"),
    (body({"role": "user", "content": [{"type": "text"}]}), "messages.0.content.0.text", "required"),
    (body({"role": "user", "content": [{"type": "text", "text": 5}]}), "messages.0.content.0.text", "string"),
    (
        body({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}),
        "messages.0.content.0.type",
        "image_url",
    ),
    (body({"role": "user", "content": [{"type": "input_audio"}]}), "messages.0.content.0.type", "text only"),
    (body({"role": "user", "content": [{"type": "file"}]}), "messages.0.content.0.type", "text only"),
    (body(USER, {"role": "tool", "content": "x"}), "messages.1.tool_call_id", "needs the id"),
    (body(USER, {"role": "tool", "content": "x", "tool_call_id": "call_9"}), "messages.1.tool_call_id", "call_9"),
    (body(USER, {"role": "function", "content": "x", "name": "f"}), "messages.1.name", '"f"'),
    (body({"role": "assistant", "tool_calls": [{"id": "1"}]}), "messages.0.tool_calls.0.function", "required"),
    (body(model=7), "model", "string"),
    (body(temperature="hot"), "temperature", "number"),
    (body(temperature=True), "temperature", "number"),
    (body(temperature=2.1), "temperature", "less than or equal to 2"),
    (body(temperature=-0.1), "temperature", "greater than or equal to 0"),
    (body(temperature=float("nan")), "temperature", "finite"),
    (body(top_p=1.5), "top_p", "1"),
    (body(top_p=float("inf")), "top_p", "finite"),
    (body(min_p=-1), "min_p", "0"),
    (body(top_k=-2), "top_k", "-1"),
    (body(top_k=1.5), "top_k", "integer"),
    (body(max_tokens=0), "max_tokens", "1"),
    (body(max_tokens=-5), "max_tokens", "1"),
    (body(max_tokens="5"), "max_tokens", "integer"),
    (body(max_completion_tokens=0), "max_completion_tokens", "1"),
    (body(presence_penalty=3), "presence_penalty", "2"),
    (body(frequency_penalty=-3), "frequency_penalty", "-2"),
    (body(repetition_penalty=0), "repetition_penalty", "0.01"),
    (body(n=0), "n", "1"),
    (body(n=17), "n", "16"),
    (body(n=True), "n", "integer"),
    (body(seed=2**63), "seed", "9223372036854775807"),
    (body(seed="7"), "seed", "integer"),
    (body(stop=""), "stop", "at least 1"),
    (body(stop=["a", ""]), "stop.1", "at least 1"),
    (body(stop=["a"] * 17), "stop", "16"),
    (body(stop=7), "stop", "string"),
    (body(logprobs=1), "logprobs", "boolean"),
    (body(logprobs=True, top_logprobs=21), "top_logprobs", "20"),
    (body(top_logprobs=3), "top_logprobs", "needs logprobs"),
    (body(logprobs=False, top_logprobs=3), "top_logprobs", "needs logprobs"),
    (body(logit_bias=[1]), "logit_bias", "object"),
    (body(logit_bias={"x": 1}), "logit_bias.x", "token id"),
    (body(logit_bias={"-1": 1}), "logit_bias.-1", "token id"),
    (body(logit_bias={"5": 101}), "logit_bias.5", "100"),
    (body(logit_bias={"5": "1"}), "logit_bias.5", "number"),
    (body(stream="yes"), "stream", "boolean"),
    (body(stream_options=True), "stream_options", "object"),
    (body(tools={}), "tools", "list"),
    (body(tools=[{"type": "web_search"}]), "tools.0.type", "function"),
    (body(tools=[{"type": "function"}]), "tools.0.function", "required"),
    (body(tools=[{"type": "function", "function": {"name": "a b"}}]), "tools.0.function.name", "pattern"),
    (body(tools=[{"type": "function", "function": {"name": ""}}]), "tools.0.function.name", "pattern"),
    (body(tools=[TOOL, TOOL]), "tools.1.function.name", "two tools"),
    (
        body(tools=[{"type": "function", "function": {"name": "f", "parameters": []}}]),
        "tools.0.function.parameters",
        "object",
    ),
    (
        body(tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}]),
        "tools.0.function.parameters.type",
        "object",
    ),
    (
        body(tools=[{"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": 7}}}}]),
        "tools.0.function.parameters.properties.a",
        "schema",
    ),
    (
        body(tools=[{"type": "function", "function": {"name": "f", "parameters": {"required": "a"}}}]),
        "tools.0.function.parameters.required",
        "list of strings",
    ),
    (body(tools=[TOOL], tool_choice="any"), "tool_choice", "required"),
    (body(tool_choice="required"), "tool_choice", "no tools"),
    (
        body(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "nope"}}),
        "tool_choice.function.name",
        "nope",
    ),
    (body(functions=[WEATHER], function_call={"name": "nope"}), "function_call.name", "nope"),
    (body(response_format="json"), "response_format", "object"),
    (body(response_format={"type": "xml"}), "response_format.type", "json_object"),
    (body(response_format={"type": "json_schema"}), "response_format.json_schema", "needs it"),
    (body(reasoning_effort="max"), "reasoning_effort", "high"),
    (body(enable_thinking="yes"), "enable_thinking", "boolean"),
    (body(thinking_token_budget=-2), "thinking_token_budget", "-1"),
    (body(thinking_budget=1.5), "thinking_budget", "integer"),
    (body(chat_template_kwargs=[]), "chat_template_kwargs", "object"),
    (body(chat_template_kwargs={"enable_thinking": "no"}), "chat_template_kwargs.enable_thinking", "true or false"),
    (body(user=5), "user", "string"),
    (body(metadata={"a": 1}), "metadata.a", "string"),
    (body(metadata={str(i): "" for i in range(17)}), "metadata", "16"),
    (body(prompt_cache_key=7), "prompt_cache_key", "string"),
    (body(prompt_cache_key=["a"]), "prompt_cache_key", "string"),
    (body(prompt_cache_key="a" * 513), "prompt_cache_key", "512"),
    (body(prompt_cache_key="\ud800"), "prompt_cache_key", "unicode"),
    (body(cache_salt={"a": 1}), "cache_salt", "string"),
    (body(cache_salt=""), "cache_salt", "at least 1"),
    (body(cache_salt="\ud800"), "cache_salt", "unicode"),
]


@pytest.mark.parametrize(("given", "param", "word"), REFUSED, ids=[f"{at}-{row[1]}" for at, row in enumerate(REFUSED)])
def test_a_wrong_field_is_refused_by_its_path(given: dict[str, Any], param: str, word: str) -> None:
    with pytest.raises(VivaceError) as caught:
        decode(given)
    error = caught.value
    assert (error.kind, error.param) == ("invalid_request", param)
    assert word.lower() in error.message.lower()


OPTIONAL = [
    *("model", "temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens", "stop", "seed", "n"),
    *("logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "repetition_penalty"),
    *("stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
    *("response_format", "reasoning_effort", "enable_thinking", "chat_template_kwargs", "user", "metadata"),
    *("thinking_token_budget", "thinking_budget", "prompt_cache_key", "cache_salt"),
]


@pytest.mark.parametrize("name", OPTIONAL)
def test_null_is_the_same_as_not_given(name: str) -> None:
    assert decode(body(**{name: None})) == decode(body())


def test_unknown_fields_are_ignored() -> None:
    assert decode(body(store=True, service_tier="auto", future={"a": [1]})) == decode(body())


def test_text_parts_are_joined_and_developer_is_system() -> None:
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]
    call = decode(body({"role": "developer", "content": parts}, USER))
    assert call.conversation.messages == (Message("system", "a b"), Message("user", "Hello"))


def test_a_tool_round_trip_keeps_calls_results_and_reasoning() -> None:
    asked = {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [CALLED]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    _, assistant, tool = decode(body(USER, asked, result)).conversation.messages
    arguments = '{"city": "Paris"}'
    assert assistant == Message("assistant", "", "hm", (ToolCall("call_1", "get_weather", arguments),))
    assert tool == Message("tool", "sunny", tool_call_id="call_1")


def test_tools_and_choices_are_decoded() -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}
    call = decode(body(tools=[TOOL], tool_choice=named, parallel_tool_calls=False))
    assert call.conversation.tools == (Tool("get_weather", None, WEATHER["parameters"]),)  # type: ignore[arg-type]
    assert call.conversation.tool_choice == ToolChoice("named", "get_weather")
    assert not call.conversation.parallel_tool_calls
    assert not call.legacy


def test_legacy_functions_become_tools_and_are_remembered() -> None:
    asked = {"role": "assistant", "content": None, "function_call": {"name": "get_weather", "arguments": "{}"}}
    result = {"role": "function", "name": "get_weather", "content": "sunny"}
    call = decode(body(USER, asked, result, functions=[WEATHER], function_call={"name": "get_weather"}))
    _, assistant, tool = call.conversation.messages
    assert assistant.tool_calls[0].id == tool.tool_call_id
    assert call.conversation.tools[0].name == "get_weather"
    assert call.conversation.tool_choice == ToolChoice("named", "get_weather")
    assert call.legacy


@pytest.mark.parametrize(
    ("given", "decoded"),
    [
        ({"type": "text"}, ResponseFormat()),
        ({"type": "json_object"}, ResponseFormat("json")),
        (schema_format({"type": "object"}), ResponseFormat("json", {"type": "object"})),
        (schema_format(None), ResponseFormat("json")),
    ],
)
def test_response_formats(given: dict[str, Any], decoded: ResponseFormat) -> None:
    assert decode(body(response_format=given)).conversation.response_format == decoded


# (fields of the request, fields of the Options)
OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"seed": -1}, {"seed": 2**32 - 1}),
    ({"seed": 2**32 + 5}, {"seed": 5}),
    ({"top_k": -1}, {"top_k": 0}),
    ({"top_p": 0}, {"temperature": 0.0, "top_p": None}),
    ({"stop": "x"}, {"stop": ("x",)}),
    ({"stop": []}, {"stop": ()}),
    ({"max_tokens": 5, "max_completion_tokens": 7}, {"max_tokens": 7}),
    ({"logprobs": True}, {"top_logprobs": 0}),
    ({"logprobs": True, "top_logprobs": 20}, {"top_logprobs": 20}),
    ({"logit_bias": {"5": -100, "7": 1}}, {"logit_bias": {5: -100.0, 7: 1.0}}),
    ({"reasoning_effort": "none"}, {"thinking": False, "reasoning_effort": "none"}),
    ({"reasoning_effort": "low"}, {"thinking": True, "reasoning_effort": "low"}),
    ({"reasoning_effort": "low", "enable_thinking": False}, {"thinking": False}),
    ({"thinking_token_budget": 64}, {"thinking": None, "thinking_budget": 64}),
    ({"thinking_budget": 64, "enable_thinking": True}, {"thinking": True, "thinking_budget": 64}),
    ({"thinking_token_budget": 64, "thinking_budget": 9}, {"thinking_budget": 64}),
    ({"thinking_token_budget": -1, "thinking_budget": 9}, {"thinking": None, "thinking_budget": None}),
    ({"thinking_budget": 0}, {"thinking": False, "thinking_budget": 0}),
    ({"thinking_budget": 0, "reasoning_effort": "low"}, {"thinking": False}),
    ({"thinking_budget": 0, "enable_thinking": True}, {"thinking": True, "thinking_budget": 0}),
    ({"chat_template_kwargs": {"enable_thinking": False, "x": 1}}, {"thinking": False, "template_kwargs": {"x": 1}}),
]


@pytest.mark.parametrize(("given", "expected"), OPTIONS, ids=[str(given) for given, _ in OPTIONS])
def test_options(given: dict[str, Any], expected: dict[str, Any]) -> None:
    options = decode(body(**given)).options
    assert {name: getattr(options, name) for name in expected} == expected


def test_the_session_is_what_the_body_says_or_else_the_headers() -> None:
    assert decode(body(), "from headers").options.session == "from headers"
    assert decode(body(prompt_cache_key="mine"), "from headers").options.session == "mine"
    assert decode(body(prompt_cache_key=""), "from headers").options.session == "from headers"
    assert decode(body()).options.session == decode(body()).options.cache_salt == ""
    assert decode(body(cache_salt="tenant")).options.cache_salt == "tenant"
