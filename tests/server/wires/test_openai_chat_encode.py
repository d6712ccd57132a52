import json
from typing import Any

import pytest

from vivace.chat.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    Logprob,
    Logprobs,
    Progress,
    ReasoningDelta,
    TextDelta,
    Timings,
    ToolCallArguments,
    ToolCallFinished,
    ToolCallStarted,
    Usage,
)
from vivace.server.fold import Folded
from vivace.server.wires.openai_chat_encode import ChunkEncoder, Head, whole

A = Logprob("a", -0.5, [97], [Logprob("a", -0.5, [97]), Logprob("b", float("-inf"), [98])])
CALL: list[Event] = [
    ToolCallStarted(0, "call_1", "f"),
    ToolCallArguments(0, '{"x"'),
    ToolCallArguments(0, ": 1}"),
    ToolCallFinished(0),
]


def ending(reason: FinishReason = "stop", completion: int = 5) -> Finished:
    return Finished(reason, Usage(10, completion, 4, 2), Timings(0.1, 0.2, 0.4))


def stream(batches: list[tuple[int, list[Event]]], n: int = 1, usage: bool = False, legacy: bool = False) -> list[Any]:
    """The data of all lines, as a client would parse them; comments as strings."""
    encoder = ChunkEncoder(Head("chatcmpl-1", "m", legacy, created=7), n, include_usage=usage)
    raw = encoder.start() + b"".join(encoder.encode(index, batch) for index, batch in batches)
    raw += encoder.finish() if encoder.finished else b""
    assert raw.endswith(b"\n\n")
    return [_parsed(block) for block in raw.decode().removesuffix("\n\n").split("\n\n")]


def _parsed(block: str) -> Any:
    if block.startswith(":"):
        return block
    data = block.removeprefix("data: ")
    return data if data == "[DONE]" else json.loads(data)


def deltas(lines: list[Any]) -> list[dict[str, Any]]:
    return [line["choices"][0]["delta"] for line in lines if isinstance(line, dict) and line.get("choices")]


def test_a_stream_opens_with_the_role_and_ends_with_a_reason_and_done() -> None:
    lines = stream([(0, [TextDelta("Hi")]), (0, [ending("length")])])
    assert deltas(lines) == [{"role": "assistant", "content": ""}, {"content": "Hi"}, {}]
    assert [line["choices"][0]["finish_reason"] for line in lines[:-1]] == [None, None, "length"]
    assert lines[-1] == "[DONE]"
    assert {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m"}.items() <= lines[
        0
    ].items()
    assert "usage" not in lines[0]
    assert lines[-2]["timings"]["decode_s"] == 0.4


def test_usage_comes_in_a_last_chunk_without_choices() -> None:
    lines = stream([(0, [TextDelta("Hi")]), (0, [ending()])], usage=True)
    assert [line["usage"] for line in lines[:-2]] == [None] * 3
    assert lines[-2]["choices"] == []
    assert lines[-2]["usage"] == {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert lines[-2]["timings"] == {
        "queue_s": 0.1,
        "prefill_s": 0.2,
        "decode_s": 0.4,
        "prompt_tokens_per_s": 30.0,
        "generated_tokens_per_s": 10.0,
    }


def test_reasoning_and_calls_have_their_own_deltas() -> None:
    lines = stream([(0, [ReasoningDelta("hm"), *CALL]), (0, [ending("tool_calls")])])
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert deltas(lines)[1:] == [
        {"reasoning_content": "hm"},
        {"tool_calls": [first]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
        {},
    ]


def test_legacy_requests_get_function_calls() -> None:
    lines = stream([(0, CALL), (0, [ending("tool_calls")])], legacy=True)
    assert deltas(lines)[1:3] == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"x"'}},
    ]
    assert lines[-2]["choices"][0]["finish_reason"] == "function_call"


def test_logprobs_travel_with_their_text_and_infinity_is_a_number() -> None:
    batch: list[Event] = [TextDelta("a"), Logprobs([A]), TextDelta("b")]
    lines = stream([(0, batch), (0, [Logprobs([A]), ending()])])
    expected = {
        "token": "a",
        "logprob": -0.5,
        "bytes": [97],
        "top_logprobs": [
            {"token": "a", "logprob": -0.5, "bytes": [97]},
            {"token": "b", "logprob": -9999.0, "bytes": [98]},
        ],
    }
    carried = [line["choices"][0]["logprobs"] for line in lines[:-1]]
    held = {"content": [expected], "refusal": None}
    assert carried == [None, held, None, held, None]


def test_progress_is_a_comment_and_failure_ends_the_stream() -> None:
    lines = stream([(0, [Progress(512, 4096, 0)]), (0, [Failed("engine_failed", "It died.")])])
    assert lines[1] == ": prefill 512/4096"
    assert lines[2] == {
        "error": {"message": "It died.", "type": "server_error", "param": None, "code": "engine_failed"}
    }
    assert len(lines) == 3


def test_choices_are_interleaved_and_their_usage_is_added_up() -> None:
    batches: list[tuple[int, list[Event]]] = [
        (1, [TextDelta("b")]),
        (0, [TextDelta("a")]),
        (1, [ending(completion=3)]),
        (0, [ending(completion=4)]),
    ]
    lines = stream(batches, n=2, usage=True)
    assert [line["choices"][0]["index"] for line in lines[:-2]] == [0, 1, 1, 0, 1, 0]
    assert lines[-2]["usage"]["prompt_tokens"] == 10
    assert lines[-2]["usage"]["completion_tokens"] == 7


def folded(*events: Event) -> Folded:
    choice = Folded()
    for event in events:
        choice.add(event)
    return choice


def whole_of(*choices: Folded, legacy: bool = False, logprobs: bool = False) -> Any:
    return json.loads(whole(Head("chatcmpl-1", "m", legacy, created=7), list(choices), logprobs=logprobs))


def test_a_whole_answer_is_the_fold_of_its_events() -> None:
    reply = whole_of(folded(ReasoningDelta("h"), ReasoningDelta("m"), TextDelta(" a"), TextDelta("b "), ending()))
    message = {"role": "assistant", "content": " ab ", "refusal": None, "reasoning_content": "hm"}
    assert reply["object"] == "chat.completion"
    assert reply["choices"] == [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    assert reply["usage"]["total_tokens"] == 15
    assert reply["system_fingerprint"].startswith("fp_")


def test_a_whole_answer_with_calls_has_null_content() -> None:
    message = whole_of(folded(*CALL, ending("tool_calls")))["choices"][0]["message"]
    called = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    assert message == {"role": "assistant", "content": None, "refusal": None, "tool_calls": [called]}
    legacy = whole_of(folded(*CALL, ending("tool_calls")), legacy=True)["choices"][0]
    assert legacy["message"]["function_call"] == {"name": "f", "arguments": '{"x": 1}'}
    assert legacy["finish_reason"] == "function_call"


def test_an_empty_answer_is_an_empty_string() -> None:
    assert whole_of(folded(ending()))["choices"][0]["message"]["content"] == ""


@pytest.mark.parametrize("asked", [True, False])
def test_whole_logprobs_are_there_if_asked_for(asked: bool) -> None:
    logprobs = whole_of(folded(TextDelta("a"), Logprobs([A]), ending()), logprobs=asked)["choices"][0]["logprobs"]
    assert (logprobs is not None) == asked
