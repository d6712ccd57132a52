from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.conformance.server import MODEL
from tests.conformance.talk import (
    ASK_CODE,
    ASK_WEATHER,
    CODE,
    JSON,
    NOTES,
    READ,
    STORY,
    SUM,
    WEATHER,
    arguments,
    ask,
    assembled,
    body,
    said,
    schema_format,
    spent,
    stream,
    user,
)

UNICODE = "Café 東京 😀 naïve"
ANSWERS = [
    ("Who are you?", "Vivace Mini"),
    (SUM, "42"),
    (NOTES.format(CODE) + ASK_CODE, "48213"),
    ("Tell me the capital of Ukraine.", "Kyiv"),
    (NOTES.format(CODE + " Zoë Müller lives in 東京 😀.") + ASK_CODE, "48213"),
]


@pytest.mark.parametrize(("question", "answer"), ANSWERS)
def test_a_question_is_answered(client: OpenAI, question: str, answer: str) -> None:
    assert answer in said(ask(client, question)).content


async def test_async_clients_are_answered_side_by_side(async_client: AsyncOpenAI) -> None:
    import asyncio

    asked = [async_client.chat.completions.create(**arguments(question)) for question, _ in ANSWERS]
    for completion, (_, answer) in zip(await asyncio.gather(*asked), ANSWERS, strict=True):
        assert answer in said(completion).content


async def test_an_async_stream(async_client: AsyncOpenAI) -> None:
    chunks = [chunk async for chunk in await async_client.chat.completions.create(**arguments(SUM), stream=True)]
    assert "42" in assembled(chunks).content


ROLES: dict[str, list[JSON]] = {
    "one system message": [{"role": "system", "content": "Your name is Modram. You are the guide of Wind Spoon."}],
    "developer": [{"role": "developer", "content": "Your name is Modram. You are the guide of Wind Spoon."}],
    "several system messages": [
        {"role": "system", "content": "Be brief and correct."},
        {"role": "system", "content": "Your name is Modram. You are the guide of Wind Spoon."},
    ],
    "in the middle": [
        {"role": "system", "content": "Be brief and correct."},
        *user("Hello"),
        {"role": "assistant", "content": "Hello!"},
        {"role": "developer", "content": "Your name is Modram. You are the guide of Wind Spoon."},
    ],
}


@pytest.mark.parametrize("before", ROLES.values(), ids=ROLES)
def test_instructions_are_followed_wherever_they_stand(client: OpenAI, before: list[JSON]) -> None:
    assert "Modram, the guide of Wind Spoon" in said(ask(client, before + user("Tell me who you are."))).content


def test_content_parts_are_one_text(client: OpenAI) -> None:
    parts = [{"type": "text", "text": "What is 12"}, {"type": "text", "text": " + 30?"}]
    in_parts = ask(client, [{"role": "user", "content": parts}])
    as_string = ask(client, SUM)
    assert said(in_parts) == said(as_string)
    assert spent(in_parts.usage) == spent(as_string.usage)


def test_earlier_turns_are_remembered(client: OpenAI) -> None:
    messages = user("My favorite color is teal.")
    messages.append({"role": "assistant", "content": said(ask(client, messages)).content})
    messages += user("What is my favorite color?")
    assert "teal" in said(ask(client, messages)).content


def test_the_sdks_own_message_can_be_sent_back(client: OpenAI) -> None:
    first = ask(client, "Remember this code: XO-99")
    messages = [*user("Remember this code: XO-99"), first.choices[0].message.model_dump(), *user("What was the code?")]
    assert "XO-99" in said(ask(client, messages)).content


SAME: dict[str, JSON] = {
    "plain": {"messages": STORY, "max_tokens": 40},
    "reasoning": {"messages": SUM, "thinking": True},
    "template's choice": {"messages": SUM, "thinking": None},
    "cut inside reasoning": {"messages": SUM, "thinking": True, "max_tokens": 5},
    "a call": {"messages": ASK_WEATHER, "tools": [WEATHER, READ]},
    "two calls": {"messages": "What is the weather in Lisbon and in Paris?", "tools": [WEATHER]},
    "reasoning and a call": {"messages": "Read the file /etc/hosts", "tools": [WEATHER, READ], "thinking": True},
    "cut inside a call": {"messages": ASK_WEATHER, "tools": [WEATHER], "max_tokens": 15},
    "tools without a call": {"messages": SUM, "tools": [WEATHER]},
    "unicode": {"messages": "Reply", "response_format": schema_format({"enum": [UNICODE]})},
    "a stop string": {"messages": STORY, "max_tokens": 40, "stop": [" fox", "there"]},
    "logprobs": {"messages": SUM, "logprobs": True, "top_logprobs": 2},
    "a seed": {"messages": STORY, "max_tokens": 24, "temperature": 1, "seed": 7},
}


@pytest.mark.parametrize("fields", SAME.values(), ids=SAME)
def test_streamed_and_whole_answers_are_the_same(client: OpenAI, fields: JSON) -> None:
    whole = ask(client, **fields)
    chunks = stream(client, **fields, stream_options={"include_usage": True})
    assert assembled(chunks) == said(whole)
    assert spent(chunks[-1].usage) == spent(whole.usage)


def test_unicode_goes_out_as_it_is(http: httpx.Client, client: OpenAI) -> None:
    request = body("Reply", response_format=schema_format({"enum": [UNICODE]}))
    raw = http.post("/v1/chat/completions", json=request)
    assert raw.json()["choices"][0]["message"]["content"] == f'"{UNICODE}"'
    assert UNICODE in raw.content.decode()
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream(client, **_sdk(request))]
    assert "\ufffd" not in "".join(pieces)


def _sdk(request: JSON) -> JSON:
    return {"messages": request["messages"], "response_format": request["response_format"]}


def test_usage_and_timings(client: OpenAI) -> None:
    whole = ask(client, SUM)
    usage, timings = whole.usage, whole.model_extra["timings"]
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert 15 <= usage.prompt_tokens <= 30
    assert 8 <= usage.completion_tokens <= 20
    assert usage.completion_tokens_details.reasoning_tokens == 0
    assert 0 <= usage.prompt_tokens_details.cached_tokens < usage.prompt_tokens
    assert timings["prefill_s"] > 0
    assert timings["queue_s"] >= 0
    rate = (usage.completion_tokens - 1) / timings["decode_s"]
    assert timings["generated_tokens_per_s"] == pytest.approx(rate, rel=0.01)


def test_a_stream_has_one_head_and_one_end(client: OpenAI) -> None:
    chunks = stream(client, SUM)
    assert len({(chunk.id, chunk.created, chunk.model, chunk.system_fingerprint) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert all(chunk.choices[0].delta.role is None for chunk in chunks[1:])
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all(chunk.usage is None for chunk in chunks)
    assert len(chunks) > 5  # token by token, not in one piece at the end


def test_include_usage_adds_a_last_chunk_without_choices(client: OpenAI) -> None:
    *chunks, last = stream(client, SUM, stream_options={"include_usage": True})
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert last.usage.completion_tokens > 0
    assert last.model_extra["timings"]["decode_s"] > 0


def test_the_stream_on_the_wire(http: httpx.Client) -> None:
    with http.stream("POST", "/v1/chat/completions", json=body(SUM, stream=True)) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        blocks = response.read().decode().split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    assert all(block.startswith(("data: {", ": ")) for block in blocks[:-2])


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_of_tokens(client: OpenAI, name: str) -> None:
    limited: dict[str, Any] = {"max_tokens": None, name: 7}
    completion = ask(client, STORY, **limited)
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage.completion_tokens == 7
    assert said(ask(client, STORY, max_tokens=20)).content.startswith(said(completion).content)


def test_without_a_limit_the_model_ends_by_itself(client: OpenAI) -> None:
    assert said(ask(client, "Who are you?", max_tokens=None)).finish_reason == "stop"


def test_null_stands_for_not_given(http: httpx.Client) -> None:
    request = body(SUM)
    names = ["top_p", "stop", "seed", "n", "tools", "tool_choice", "response_format", "logit_bias", "stream", "user"]
    with_nulls = http.post("/v1/chat/completions", json=request | dict.fromkeys(names))
    assert with_nulls.status_code == 200
    assert "42" in with_nulls.json()["choices"][0]["message"]["content"]


def test_unknown_fields_and_bookkeeping_change_nothing(client: OpenAI) -> None:
    plain = ask(client, SUM)
    extra = {"user": "u1", "metadata": {"run": "7"}, "store": False, "service_tier": "auto"}
    assert said(ask(client, SUM, **extra)) == said(plain)


@pytest.mark.parametrize("model", ["default", None])
def test_the_default_model_needs_no_name(http: httpx.Client, model: str | None) -> None:
    reply = http.post("/v1/chat/completions", json=body(SUM) | {"model": model}).json()
    assert reply["model"] == MODEL
    assert "42" in reply["choices"][0]["message"]["content"]


def test_a_prompt_from_the_cache_gives_the_same_log_probabilities(client: OpenAI) -> None:
    """To the last bit, although what is computed then begins elsewhere. Of other conversations some text is cached."""
    notes = NOTES.format("\n".join(f"Box {i} holds {i * 7 % 13} pens." for i in range(60)))
    fields: JSON = {"messages": notes + "Who keeps the archive?", "max_tokens": 8, "logprobs": True, "temperature": 0}
    first, *others = [ask(client, **fields, reasoning_effort="none") for _ in range(3)]
    assert first.usage.prompt_tokens_details.cached_tokens < 100
    for other in others:
        assert other.usage.prompt_tokens_details.cached_tokens > first.usage.prompt_tokens - 20
        assert said(other) == said(first)
