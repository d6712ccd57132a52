"""What the chat route refuses, and what a client hears when the engine fails."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.server.scripted import Answer, data, fails, gateway, joined, says
from vivace.protocol import Generate, Progress

# (request, status, parameter, word in the message): what only shows behind the wire; see test_openai_chat_decode.
REFUSED: list[tuple[dict[str, Any], int, str | None, str]] = [
    ({"model": "gpt-9"}, 404, "model", "vivace-mini"),
    ({"messages": []}, 400, "messages", "at least 1"),
    ({"messages": [{"role": "user", "content": 5}]}, 400, "messages.0.content", "string"),
    ({"temperature": 3}, 400, "temperature", "2"),
    ({"logit_bias": {"999999999": 1}}, 400, "logit_bias.999999999", "token id"),
    ({"chat_template_kwargs": {"messages": []}}, 400, "chat_template_kwargs.messages", "server"),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"schema": {"properties": {"a": {"type": "strin"}}}},
            }
        },
        400,
        "response_format.json_schema.schema.properties.a.type",
        "strin",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"$schema": [1]}}}},
        400,
        "response_format.json_schema.schema.$schema",
        "schema",
    ),
]


@pytest.mark.parametrize("stream", [False, True])
async def test_refusals_have_openais_shape(stream: bool) -> None:
    async with gateway(says("Hi")) as server:
        for fields, status, param, word in REFUSED:
            response = await server.chat(**fields, stream=stream)
            error = response.json()["error"]
            assert (response.status_code, error["param"]) == (status, param), error
            assert word in error["message"]
            assert set(error) == {"message", "type", "param", "code"}
        assert not server.engine.requests


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


async def test_deeply_nested_values_are_no_500() -> None:
    deep = nested(55)
    tool = {"type": "function", "function": {"name": "f", "parameters": deep}}
    bodies: list[dict[str, Any]] = [
        {"tools": [tool]},
        {"tools": [tool], "tool_choice": "required"},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": deep}}},
        {"chat_template_kwargs": {"x": deep}},
    ]
    async with gateway(says("Hi")) as server:
        for body in bodies:
            response = await server.chat(**body)
            assert response.status_code in (200, 400), response.text


async def test_overload_is_503_with_retry_after() -> None:
    async with gateway(fails("overloaded", "The queue is full.")) as server:
        for stream in (False, True):
            response = await server.chat(stream=stream)
            assert (response.status_code, response.json()["error"]["code"]) == (503, "overloaded")
            assert int(response.headers["retry-after"]) >= 1


async def test_an_engine_that_dies_before_the_first_byte_is_503() -> None:
    async with gateway(fails("engine_failed", "It died.")) as server:
        for stream in (False, True):
            response = await server.chat(stream=stream)
            assert (response.status_code, response.json()["error"]["message"]) == (503, "It died.")


async def test_an_engine_that_dies_later_ends_the_stream_with_an_error() -> None:
    async with gateway(fails("engine_failed", "It died.", after="one two")) as server:
        blocks = await server.stream()
        assert json.loads(blocks[-1].removeprefix("data: "))["error"]["code"] == "engine_failed"
        assert joined(data(blocks)[:-1], "content").startswith("one")
        whole = await server.chat()
        assert (whole.status_code, whole.json()["error"]["message"]) == (503, "It died.")


async def test_one_choice_that_fails_ends_all() -> None:
    ok, dies = says("one two three", pause_s=0.05), fails("engine_failed", "It died.", after="x")
    async with gateway(lambda request: (dies if request.id.endswith("-1") else ok)(request)) as server:
        response = await server.chat(n=3)
        assert response.status_code == 503
        assert not server.engine.running
        assert len(server.engine.cancelled) == 2


async def test_an_unexpected_error_is_a_500_without_a_traceback() -> None:
    async def breaks(request: Generate) -> AsyncIterator[Answer]:
        yield Progress(request.id, 1, 1 // len(request.id[:0]))  # secret: ZeroDivisionError

    async with gateway(breaks) as server:
        response = await server.chat()
        assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
        assert "ivision" not in response.text
        assert "Traceback" not in response.text
