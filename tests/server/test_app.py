import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.server.scripted import CONTEXT, HELLO, Answer, fails, gateway, says
from vivace import __version__
from vivace.protocol import Generate, Progress

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>"


def data(blocks: list[str]) -> list[Any]:
    """The parsed data of a stream up to [DONE]; comments are left out."""
    lines = [block.removeprefix("data: ") for block in blocks if not block.startswith(":")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def joined(chunks: list[Any], field: str, index: int = 0) -> str:
    choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get(field, "") for choice in choices)


async def test_status_routes() -> None:
    async with gateway(says("Hi")) as server:
        identity = (await server.client.get("/")).json()
        assert identity == {"name": "vivace", "version": __version__, "models": ["vivace-mini"], "docs": "/docs"}
        head = await server.client.head("/")
        assert (head.status_code, head.content) == (200, b"")
        assert (await server.client.get("/health")).json() == {"status": "ok"}
        assert (await server.client.get("/ready")).status_code == 200


async def test_while_loading_it_is_alive_and_not_ready() -> None:
    async with gateway(says("Hi")) as server:
        server.fleet.state = "loading"
        assert (await server.client.get("/health")).status_code == 200
        ready = await server.client.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["models"][0] | {"message": ""} == {
            "id": "vivace-mini",
            "state": "loading",
            "loaded": 0.5,
            "message": "",
        }


async def test_models_are_listed_and_shown_by_id_and_alias() -> None:
    async with gateway(says("Hi")) as server:
        listed = (await server.client.get("/v1/models")).json()
        assert listed["object"] == "list"
        card = listed["data"][0]
        assert (card["id"], card["object"], card["context_length"]) == ("vivace-mini", "model", CONTEXT)
        assert (await server.client.get("/v1/models/vivace-mini")).json() == card
        assert (await server.client.get("/v1/models/default")).json() == card
        unknown = await server.client.get("/v1/models/org/other")
        assert unknown.status_code == 404
        assert "org/other" in unknown.json()["error"]["message"]
        assert "vivace-mini" in unknown.json()["error"]["message"]


async def test_the_document_has_the_schemas_and_the_page_needs_no_network() -> None:
    async with gateway(says("Hi")) as server:
        document = (await server.client.get("/openapi.json")).json()
        chat = document["paths"]["/v1/chat/completions"]["post"]
        assert chat["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/ChatRequest")
        schemas = document["components"]["schemas"]
        assert "temperature" in schemas["ChatRequest"]["properties"]
        assert "choices" in schemas["ChatCompletion"]["properties"]
        references = set(_references(document))
        assert references
        assert references <= {f"#/components/schemas/{name}" for name in schemas}
        page = (await server.client.get("/docs")).text
        assert "/v1/chat/completions" in page
        assert "http://" not in page
        assert "https://" not in page


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [reference for member in value.values() for reference in _references(member)]
    return [reference for member in value for reference in _references(member)] if isinstance(value, list) else []


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


RAW = [
    (b"", "empty"),
    (b'{"messages": ', "line 1 column"),
    (b"[" * 100_000, "nested deeper"),
    (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "messages.0.content: a lone surrogate"),
    (b'{"temperature": NaN}', "NaN"),
    (b'"text"', "must be a JSON object"),
]


@pytest.mark.parametrize(("body", "word"), RAW, ids=[word for _, word in RAW])
async def test_bodies_that_are_no_json_object(body: bytes, word: str) -> None:
    async with gateway(says("Hi")) as server:
        response = await server.client.post("/v1/chat/completions", content=body)
        assert response.status_code == 400
        assert word in response.json()["error"]["message"]


async def test_the_content_type_does_not_matter() -> None:
    async with gateway(says("Hi")) as server:
        body = json.dumps(HELLO).encode()
        response = await server.client.post(
            "/v1/chat/completions", content=body, headers={"content-type": "text/plain"}
        )
        assert response.status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413(chunked: bool) -> None:
    async with gateway(says("Hi"), body_limit_mb=0.1) as server:
        body = json.dumps({**HELLO, "user": "x" * 300_000}).encode()

        async def pieces() -> Any:
            for at in range(0, len(body), 4096):
                yield body[at : at + 4096]

        response = await server.client.post("/v1/chat/completions", content=pieces() if chunked else body)
        assert response.status_code == 413
        assert "0.1 MB" in response.json()["error"]["message"]
        assert (await server.chat()).status_code == 200


async def test_unknown_routes_and_methods_have_openais_shape() -> None:
    async with gateway(says("Hi")) as server:
        missing = await server.client.get("/v1/nothing")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_url")
        wrong = await server.client.get("/v1/chat/completions")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
        assert wrong.headers["allow"] == "POST"


async def test_keys_are_required_everywhere_but_at_health() -> None:
    async with gateway(says("Hi"), api_key=["first", "sécond"]) as server:
        assert (await server.client.get("/health")).status_code == 200
        refused = await server.client.get("/v1/models")
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "invalid_api_key"
        assert refused.headers["www-authenticate"] == "Bearer"
        good: list[Any] = [{"authorization": "Bearer first"}, {"x-api-key": "sécond".encode()}]
        for headers in good:
            assert (await server.client.get("/v1/models", headers=headers)).status_code == 200
        bad: list[Any] = [{"authorization": "Bearer firs"}, {"authorization": "Basic first"}, {"x-api-key": b"\xff"}]
        for headers in bad:
            assert (await server.client.get("/v1/models", headers=headers)).status_code == 401


async def test_a_sane_request_id_is_echoed_and_another_replaced() -> None:
    async with gateway(says("Hi")) as server:
        mine = await server.client.get("/health", headers={"x-request-id": "abc-1"})
        assert mine.headers["x-request-id"] == "abc-1"
        odd = await server.client.get("/nothing", headers={"x-request-id": "a b<c>"})
        assert odd.headers["x-request-id"].startswith("req_")


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


async def test_two_hundred_clients_at_once_all_get_their_answer() -> None:
    async with gateway(says("one two three", pause_s=0.005)) as server:
        answers = await asyncio.gather(*(server.stream(user=str(client)) for client in range(200)))
        assert not server.engine.running
    assert {joined(data(blocks), "content") for blocks in answers} == {"one two three"}


async def test_the_log_says_why_a_request_was_refused_or_cut(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vivace.server")
    async with gateway(says("Hi")) as server:
        await server.chat(temperature=9)
        await server.client.post("/chat/completions", json={})
        await server.chat()
    refused, unknown, fine = [record for record in caplog.records if record.name == "vivace.server"][-3:]
    assert refused.levelno == unknown.levelno == logging.WARNING
    assert "400" in refused.message
    assert "temperature" in refused.message
    assert fine.levelno == logging.INFO


async def test_a_path_without_its_version_is_pointed_to_the_one_that_is_meant() -> None:
    async with gateway(says("Hi")) as server:
        for path in ("/chat/completions", "/v1/chat/completions/"):
            message = (await server.client.post(path, json={})).json()["error"]["message"]
            assert message.endswith("did you mean /v1/chat/completions?")
        assert "/docs lists them all" in (await server.client.get("/v1/nothing")).json()["error"]["message"]


async def test_probes_and_the_documentation_need_no_key() -> None:
    async with gateway(says("Hi"), api_key=["secret"]) as server:
        for path in ("/health", "/ready", "/docs"):
            assert (await server.client.get(path)).status_code == 200
