"""The small client against recorded and broken replies."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivace.chat.events import ReasoningDelta, TextDelta
from vivace.cli.client import Client, Done, local_url
from vivace.cli.errors import CliError
from vivace.settings import Settings


def chunk(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 3}, "timings": {"decode_s": 0.5}}


def stream(*events: dict[str, Any], done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events]
    return "".join([": a comment\n\n", *lines, "data: [DONE]\n\n" if done else ""]).encode()


class Pieces(httpx.SyncByteStream):
    """A reply that arrives `size` bytes at a time."""

    def __init__(self, body: bytes, size: int) -> None:
        self.body, self.size = body, size

    def __iter__(self) -> Any:
        return (self.body[at : at + self.size] for at in range(0, len(self.body), self.size))


def client_of(reply: httpx.Response | Exception, seen: list[httpx.Request] | None = None) -> Client:
    def handle(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        if isinstance(reply, Exception):
            raise reply
        return reply

    return Client("http://server", "key", transport=httpx.MockTransport(handle))


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pieces_of_an_answer_come_in_order_whatever_the_network_does(size: int) -> None:
    body = stream(chunk(role="assistant"), chunk(reasoning_content="hm"), chunk(content="é\u2028\x85x"), END, USAGE)
    pieces = list(client_of(httpx.Response(200, stream=Pieces(body, size))).answer({"model": "m", "messages": []}))
    assert pieces == [
        ReasoningDelta("hm"),
        TextDelta("é\u2028\x85x"),
        Done("length", {"prompt_tokens": 3}, {"decode_s": 0.5}),
    ]


@given(st.text(min_size=1))
def test_any_text_arrives_as_it_was_sent(text: str) -> None:
    body = stream(chunk(content=text))
    pieces = list(client_of(httpx.Response(200, content=body)).answer({}))
    assert pieces[0] == TextDelta(text)


def test_the_request_asks_for_a_stream_with_usage_and_carries_the_key() -> None:
    seen: list[httpx.Request] = []
    list(client_of(httpx.Response(200, content=stream(END)), seen).answer({"model": "m", "messages": []}))
    body = json.loads(seen[0].content)
    assert body == {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}}
    assert seen[0].headers["authorization"] == "Bearer key"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (httpx.Response(404, json={"error": {"message": "no such model"}}), "no such model"),
        (httpx.Response(502, text="<html>"), "The server answered with status 502: <html>"),
        (httpx.Response(200, content=stream({"error": {"message": "the engine died"}})), "the engine died"),
        (httpx.ConnectError("refused"), "http://server does not answer: refused."),
        (httpx.ReadTimeout(""), "http://server does not answer: ReadTimeout."),
    ],
)
def test_what_went_wrong_is_said(reply: httpx.Response | Exception, message: str) -> None:
    with pytest.raises(CliError) as caught:
        list(client_of(reply).answer({}))
    assert caught.value.message == message


def test_a_stream_that_breaks_off_is_an_error() -> None:
    with pytest.raises(CliError, match="ended before"):
        list(client_of(httpx.Response(200, content=stream(chunk(content="Hel"), done=False))).answer({}))


def test_a_server_is_alive_only_if_health_is_200() -> None:
    assert client_of(httpx.Response(200)).alive()
    assert not client_of(httpx.Response(404)).alive()
    assert not client_of(httpx.ConnectError("refused")).alive()


def test_states_are_read_from_ready_whatever_its_status() -> None:
    assert client_of(httpx.Response(503, json={"models": [{"id": "m", "state": "loading"}]})).states() == ["loading"]
    assert client_of(httpx.Response(404, text="what?")).states() == []
    assert client_of(httpx.ConnectError("refused")).states() == []


def test_models_are_listed_by_id() -> None:
    assert client_of(httpx.Response(200, json={"data": [{"id": "a"}, {"id": "b"}]})).models() == ["a", "b"]
    with pytest.raises(CliError, match="key is wrong"):
        client_of(httpx.Response(401, json={"error": {"message": "the key is wrong"}})).models()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
        ("box.local", "http://box.local:1"),
    ],
)
def test_the_url_of_a_server_with_these_settings(host: str, url: str) -> None:
    assert local_url(Settings(host=host, port=1)) == url


@pytest.mark.parametrize("url", ["http://server", "http://server/", "http://server/v1", "http://server/v1/"])
def test_a_url_may_end_as_the_sdk_wants_it(url: str) -> None:
    assert Client(url).url == "http://server"
