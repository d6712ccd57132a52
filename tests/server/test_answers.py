"""Answers of the chat route, whole and streamed, from a scripted engine."""

import json

import pytest

from tests.server.scripted import CONTEXT, ScriptedFleet, data, gateway, ids_of, joined, says, says_at_once
from vivace.chat.conversation import Conversation, Message, Options, Tool
from vivace.chat.events import Finished, ToolCallFinished
from vivace.server.generation import Generation

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>"


async def test_streamed_and_whole_answers_are_the_same() -> None:
    text = " Café 😀 and\n\ntwo  spaces "
    async with gateway(says(text)) as server:
        whole = (await server.chat()).json()
        chunks = data(await server.stream())
    assert whole["choices"][0]["message"]["content"] == text
    assert joined(chunks, "content") == text
    assert whole["choices"][0]["finish_reason"] == chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_usage_and_timings() -> None:
    async with gateway(says("one two three")) as server:
        whole = (await server.chat()).json()
        blocks = await server.stream(stream_options={"include_usage": True})
        prompt = server.engine.requests[0].prompt
    usage, timings = whole["usage"], whole["timings"]
    assert usage["prompt_tokens"] == len(prompt)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": 3}
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 0}
    assert (timings["queue_s"], timings["prefill_s"], timings["decode_s"]) == (0.01, 0.02, 0.04)
    assert timings["generated_tokens_per_s"] == pytest.approx((usage["completion_tokens"] - 1) / 0.04)
    assert blocks[-1] == "data: [DONE]"
    last = json.loads(blocks[-2].removeprefix("data: "))
    assert (last["choices"], last["usage"], last["timings"]) == ([], usage, timings)


async def test_prefill_progress_is_sent_as_comments() -> None:
    async with gateway(says("Hi", prefill=[1, 5])) as server:
        blocks = await server.stream()
        total = len(server.engine.requests[0].prompt)
    assert [block for block in blocks if block.startswith(":")] == [
        f": prefill 1/{total}",
        f": prefill 5/{total}",
        f": prefill {total}/{total}",
    ]


async def test_reasoning_is_told_apart_and_counted() -> None:
    async with gateway(says("hm, let me see\n</think>\n\nFour.")) as server:
        whole = (await server.chat(enable_thinking=True)).json()
        chunks = data(await server.stream(enable_thinking=True))
    message = whole["choices"][0]["message"]
    assert "let me see" in message["reasoning_content"]
    assert message["content"].strip() == "Four."
    assert joined(chunks, "reasoning_content") == message["reasoning_content"]
    assert joined(chunks, "content") == message["content"]
    assert 0 < whole["usage"]["completion_tokens_details"]["reasoning_tokens"] < whole["usage"]["completion_tokens"]


async def test_tool_calls_are_streamed_in_pieces() -> None:
    async with gateway(says(CALL)) as server:
        whole = (await server.chat(tools=[WEATHER])).json()["choices"][0]
        chunks = data(await server.stream(tools=[WEATHER]))
    call = whole["message"]["tool_calls"][0]
    assert (call["type"], call["function"]["name"]) == ("function", "get_weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert whole["finish_reason"] == chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    deltas = [delta for chunk in chunks for delta in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert [delta["function"].get("name") for delta in deltas] == ["get_weather"] + [None] * (len(deltas) - 1)
    assert json.loads("".join(delta["function"]["arguments"] for delta in deltas)) == {"city": "Paris"}


async def test_without_parallel_calls_the_first_call_ends_the_answer() -> None:
    async with gateway(says(CALL + "\n" + CALL, pause_s=0.001)) as server:
        both = (await server.chat(tools=[WEATHER])).json()["choices"][0]
        assert len(both["message"]["tool_calls"]) == 2
        one = (await server.chat(tools=[WEATHER], parallel_tool_calls=False)).json()["choices"][0]
        legacy = (await server.chat(functions=[WEATHER["function"]])).json()["choices"][0]
        assert len(server.engine.cancelled) == 2
    assert len(one["message"]["tool_calls"]) == 1
    assert one["finish_reason"] == "tool_calls"
    assert json.loads(legacy["message"]["function_call"]["arguments"]) == {"city": "Paris"}
    assert legacy["finish_reason"] == "function_call"


async def test_of_calls_that_are_promoted_from_the_reasoning_only_the_first_counts_too() -> None:
    async with gateway(says(CALL + "\n" + CALL)) as server:
        for parallel, count in ((True, 2), (False, 1)):
            fields = {"tools": [WEATHER], "enable_thinking": True, "parallel_tool_calls": parallel}
            choice = (await server.chat(**fields)).json()["choices"][0]
            assert len(choice["message"]["tool_calls"]) == count
            assert choice["finish_reason"] == "tool_calls"


async def test_a_stop_string_ends_the_answer_and_the_engines_work() -> None:
    async with gateway(says("one two three four five", pause_s=0.002)) as server:
        whole = (await server.chat(stop=[" three"])).json()
        assert len(server.engine.cancelled) == 1
    assert whole["choices"][0]["message"]["content"] == "one two"
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert 0 < whole["usage"]["completion_tokens"] < 40
    assert whole["usage"]["prompt_tokens_details"]["cached_tokens"] == 3
    assert whole["timings"]["decode_s"] > 0


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("one two three four five", {"stop": [" three"]}),
        (CALL + "\n" + CALL, {"tools": [WEATHER], "parallel_tool_calls": False}),
    ],
)
async def test_usage_does_not_depend_on_how_tokens_arrive(text: str, wish: dict[str, object]) -> None:
    used = []
    for script in (says(text), says_at_once(text)):
        async with gateway(script) as server:
            used.append((await server.chat(**wish)).json()["usage"]["completion_tokens"])
    assert used[0] == used[1] < len(ids_of(text))


async def test_choices_have_seeds_of_their_own_and_come_interleaved() -> None:
    async with gateway(says("one two three", pause_s=0.001)) as server:
        chunks = data(await server.stream(n=3, seed=2**32 - 1))
        assert [request.sampling.seed for request in server.engine.requests] == [2**32 - 1, 0, 1]
        whole = (await server.chat(n=3)).json()
    assert [joined(chunks, "content", index) for index in range(3)] == ["one two three"] * 3
    assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2]
    assert whole["usage"]["completion_tokens"] % 3 == 0


async def test_without_a_seed_every_request_has_another() -> None:
    async with gateway(says("Hi")) as server:
        for _ in range(3):
            await server.chat()
        assert len({request.sampling.seed for request in server.engine.requests}) == 3


async def test_logprobs_cover_the_text() -> None:
    async with gateway(says("one two three")) as server:
        whole = (await server.chat(logprobs=True, top_logprobs=2)).json()["choices"][0]
        chunks = data(await server.stream(logprobs=True, top_logprobs=2))
    tokens = whole["logprobs"]["content"]
    assert bytes(byte for token in tokens for byte in token["bytes"]) == b"one two three"
    assert all(len(token["top_logprobs"]) == 2 for token in tokens)
    carried = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert [token for logprobs in carried if logprobs for token in logprobs["content"]] == tokens


async def test_max_tokens_is_clamped_to_what_the_context_has_left() -> None:
    async with gateway(says("one two three")) as server:
        await server.chat(max_tokens=10**12)
        request = server.engine.requests[0]
        assert request.max_tokens == CONTEXT - len(request.prompt)
        cut = (await server.chat(max_tokens=2)).json()
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == 2


async def test_a_prompt_beyond_the_context_is_refused_with_both_numbers() -> None:
    async with gateway(says("Hi")) as server:
        for stream in (False, True):
            refused = await server.chat(messages=[{"role": "user", "content": "word " * CONTEXT}], stream=stream)
            assert refused.status_code == 400
            error = refused.json()["error"]
            assert error["code"] == "context_length_exceeded"
            assert str(CONTEXT) in error["message"]
        assert not server.engine.requests


async def test_mended_calls_are_logged_and_counted_by_reason(caplog: pytest.LogCaptureFixture) -> None:
    generation = Generation(ScriptedFleet(says('{"name": "get_weather", "arguments": {"city": "Paris"}}')))
    conversation = Conversation((Message("user", "Hello"),), (Tool("get_weather"),))
    with caplog.at_level("INFO", "vivace.server"):
        answer = await generation.begin(None, conversation, Options(thinking=False))
        assert [batch async for _, batch in answer.batches()]
    assert generation.repairs == {"the call had no wrapper": 1}
    assert "was mended: the call had no wrapper" in caplog.text


async def test_calls_that_the_token_limit_cuts_are_not_mended(caplog: pytest.LogCaptureFixture) -> None:
    text = "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis is where I am"
    generation = Generation(ScriptedFleet(says(text)))
    tool = Tool("get_weather", None, {"type": "object", "properties": {"city": {"type": "string"}}})
    conversation = Conversation((Message("user", "Hello"),), (tool,))
    with caplog.at_level("INFO", "vivace.server"):
        answer = await generation.begin(None, conversation, Options(thinking=False, max_tokens=len(ids_of(text)) - 2))
        batches = [batch async for _, batch in answer.batches()]
    assert isinstance(batches[-1][-1], Finished)
    assert batches[-1][-1].reason == "length"
    assert any(isinstance(event, ToolCallFinished) for batch in batches for event in batch)
    assert not generation.repairs
    assert "mended" not in caplog.text
