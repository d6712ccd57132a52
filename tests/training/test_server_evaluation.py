import json
from collections.abc import Callable

import httpx
import pytest

from training.evaluation.report import Result, summarise, totals
from training.evaluation.server import Server, evaluate_server, request_body, wire_messages
from training.evaluation.suites import SUITES, held_out
from training.sample import JSON, Sample

SERVER = Server("http://server.test", "vivace-mini")
QUICK = [suite for suite in SUITES if suite not in ("retrieval_2k", "retrieval_8k")]
Handler = Callable[[httpx.Request], httpx.Response]


def completion(message: JSON) -> httpx.Response:
    return httpx.Response(200, json={"choices": [{"message": message}], "usage": {"prompt_tokens": 7}})


def target(sample: Sample) -> JSON:
    """The sample's last message in the API's words."""
    (message,) = wire_messages(sample.messages[-1:])
    return message


def knows_all(items: int, change: Callable[[JSON], JSON] = lambda message: message) -> Handler:
    """A server that answers every held-out conversation right, but for `change`."""
    samples = [sample for suite in QUICK for sample in held_out(suite, items)]
    answers = {json.dumps(request_body(sample, "vivace-mini")): target(sample) for sample in samples}
    return lambda request: completion(change(answers[json.dumps(json.loads(request.content))]))


async def results(handler: Handler, suites: list[str], items: int, server: Server = SERVER) -> list[Result]:
    return await evaluate_server(server, suites, items, httpx.MockTransport(handler))


async def test_a_server_that_answers_right_has_all_points() -> None:
    report = summarise(await results(knows_all(5), QUICK, 5))
    assert totals(report) == (5 * len(QUICK), 5 * len(QUICK))
    assert list(report["suites"]) == QUICK
    assert report["failures"] == []


async def test_wrong_arguments_of_a_call_are_wrong() -> None:
    def other(message: JSON) -> JSON:
        wrong = {"arguments": '{"unasked": 1}'}
        calls = [{**call, "function": {**call["function"], **wrong}} for call in message["tool_calls"]]
        return {**message, "tool_calls": calls}

    answered = await results(knows_all(5, other), ["tool_domain"], 5)
    assert not any(result.correct for result in answered)


async def test_arguments_that_are_no_json_are_wrong() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}
    answered = await results(lambda _: completion({"content": None, "tool_calls": [call]}), ["tool_domain"], 2)
    assert not any(result.correct for result in answered)


async def test_an_answer_without_the_reasoning_that_was_asked_for_is_wrong() -> None:
    def silent(message: JSON) -> JSON:
        return {key: value for key, value in message.items() if key != "reasoning_content"}

    answered = await results(knows_all(8, silent), ["facts"], 8)
    assert [result.correct for result in answered] == [not result.sample.think for result in answered]
    assert {result.correct for result in answered} == {True, False}


async def test_an_error_of_the_server_counts_as_wrong_and_is_shown() -> None:
    (result,) = await results(lambda _: httpx.Response(400, text="orphan tool message"), ["facts"], 1)
    assert not result.correct
    assert result.output == "HTTP 400: orphan tool message"


async def test_an_overloaded_server_is_asked_again() -> None:
    refusals = iter([503, 503])

    def sometimes(request: httpx.Request) -> httpx.Response:
        status = next(refusals, 200)
        return httpx.Response(503, headers={"retry-after": "0"}) if status == 503 else knows_all(1)(request)

    (result,) = await results(sometimes, ["persona"], 1)
    assert result.correct


async def test_the_default_model_is_the_first_that_the_server_lists() -> None:
    def listed(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": "vivace-mini"}, {"id": "other"}]})
        return knows_all(1)(request)

    (result,) = await results(listed, ["persona"], 1, Server("http://server.test"))
    assert result.correct


@pytest.mark.parametrize("suite", ["tool_answer", "agent", "chain", "tool_error"])
def test_every_tool_result_names_a_call_before_it(suite: str) -> None:
    for sample in held_out(suite, 20):
        made: list[str] = []
        for message in wire_messages(sample.messages):
            made += [call["id"] for call in message.get("tool_calls", [])]
            if message["role"] == "tool":
                assert message["tool_call_id"] in made


def test_requests_are_greedy_and_reason_as_the_sample_does() -> None:
    for sample in held_out("facts", 10):
        body = request_body(sample, "m")
        assert (body["temperature"], body["enable_thinking"]) == (0, sample.think)
        assert body["messages"][-1]["role"] == "user"
