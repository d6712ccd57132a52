"""Which conversation a request belongs to, and that answers come back into the next prompt as generated."""

import json
from typing import Any

import pytest
from starlette.datastructures import Headers

from tests.server.scripted import Gateway, gateway, ids_of, says
from tests.server.test_answers import CALL, WEATHER
from vivace.server.session import HEADERS, MAX_LENGTH, session_of


@pytest.mark.parametrize("name", HEADERS)
def test_every_client_s_header_counts(name: str) -> None:
    assert session_of(Headers({name.title(): " abc "})) == "abc"


@pytest.mark.parametrize(
    ("headers", "session"),
    [
        ({}, ""),
        ({"x-client-request-id": "one per request"}, ""),
        ({"session-id": "s", "thread-id": "t"}, "t"),  # Codex CLI: agents of one session are told apart
        ({"x-session-affinity": "a", "x-session-id": "b"}, "b"),
        ({"session_id": "", "x-session-id": "b"}, "b"),
        ({"session_id": "s" * (MAX_LENGTH + 1), "x-session-id": "b"}, "b"),
    ],
)
def test_which_of_several_counts(headers: dict[str, str], session: str) -> None:
    assert session_of(Headers(headers)) == session


async def test_session_salt_and_boundaries_reach_the_engine() -> None:
    long = [{"role": "system", "content": "Be careful. " * 40}, {"role": "user", "content": "Hello"}]
    async with gateway(says("Hi")) as server:
        await server.chat(messages=long, prompt_cache_key="chat 1", cache_salt="tenant", n=2)
        await server.client.post("/v1/chat/completions", json={"messages": long}, headers={"Session-Id": "chat 2"})
        first, sibling, by_header = server.engine.requests
    assert (first.session, first.salt) == (sibling.session, sibling.salt) == ("chat 1", "tenant")
    assert (by_header.session, by_header.salt) == ("chat 2", "")
    assert first.boundaries
    assert all(0 < p < len(first.prompt) for p in first.boundaries)


QUESTION = {"role": "user", "content": "Weather in Paris?"}
GENERATED = f"I look. \n\n{CALL}\n"  # the template writes neither the space nor the last line


async def next_prompt(server: Gateway, stream: bool, **fields: Any) -> tuple[list[int], list[int]]:
    """The prompt that was answered, and the one with its answer and the tool's result."""
    server.engine.requests.clear()
    if stream:
        message = _message(await server.stream(messages=[QUESTION], tools=[WEATHER], **fields))
    else:
        answer = await server.chat(messages=[QUESTION], tools=[WEATHER], **fields)
        message = answer.json()["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in message["tool_calls"]]
    await server.chat(messages=[QUESTION, message, *results], tools=[WEATHER], **fields)
    before, after = server.engine.requests
    return before.prompt, after.prompt


def _message(blocks: list[str]) -> dict[str, Any]:
    chunks = [json.loads(block.removeprefix("data: ")) for block in blocks if block.startswith("data: {")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    arguments = "".join(call["function"].get("arguments", "") for call in calls)
    function = {"name": calls[0]["function"]["name"], "arguments": arguments}
    content = "".join(delta.get("content") or "" for delta in deltas)
    call = {"id": calls[0]["id"], "type": "function", "function": function}
    return {"role": "assistant", "content": content, "tool_calls": [call]}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_next_prompt_begins_with_what_was_generated(stream: bool) -> None:
    async with gateway(says(GENERATED)) as server:
        before, after = await next_prompt(server, stream)
    expected = [*before, *ids_of(GENERATED)]
    assert after[: len(expected)] == expected


@pytest.mark.parametrize("fields", [{"parallel_tool_calls": False}, {"stop": ["look."]}, {"max_tokens": 60}])
async def test_an_answer_that_the_model_did_not_end_is_written_by_the_template(fields: dict[str, Any]) -> None:
    """Its tokens go on in the engine behind what the client has been told, or stop in the middle of a call."""
    text = GENERATED if "stop" not in fields else f"{CALL}\nI look. I see."
    async with gateway(says(text + " More." * 40)) as server:
        before, after = await next_prompt(server, stream=False, **fields)
    expected = [*before, *ids_of(text)]
    assert after[: len(expected)] != expected
