"""A server with narrow limits: one answer at a time, one that waits, 100 tokens of context, one second of patience."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from tests.conformance.server import Server, serving
from tests.conformance.talk import NEVER_STOP, STORY, SUM, ask, body, said, stream

KEY = "secret-1"
LIMITS = (
    *("--max-batch", "1", "--max-waiting", "1", "--context", "100", "--body-limit-mb", "0.01"),
    *("--send-timeout-s", "1", "--api-key", "other", "--api-key", KEY, "--served-name", "tiny"),
)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("narrow"), *LIMITS, key=KEY) as server:
        yield server
        assert "Traceback" not in server.log()
        assert KEY not in server.log() + server.banner


@pytest.mark.parametrize("key", [None, "secret", KEY + "x", "ö"])
def test_without_a_key_nothing_is_told(narrow: Server, key: str | None) -> None:
    headers = {} if key is None else {"authorization": f"Bearer {key}".encode()}
    for path in ("/v1/models", "/v1/chat/completions"):
        refused = httpx.get(narrow.url + path, headers=headers, trust_env=False)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "invalid_api_key"
    assert httpx.get(narrow.url + "/health", trust_env=False).status_code == 200


def test_with_a_key_it_answers_under_the_name_that_it_was_given(narrow: Server) -> None:
    assert [model.id for model in narrow.client.models.list()] == ["tiny"]
    assert "42" in said(ask(narrow.client, SUM, model="tiny")).content


def test_beyond_the_queue_clients_are_told_to_come_again(narrow: Server) -> None:
    with ThreadPoolExecutor(6) as pool:
        request = body(STORY, **NEVER_STOP, model="tiny", max_tokens=80)
        replies = list(pool.map(lambda _: narrow.http.post("/v1/chat/completions", json=request), range(6)))
    turned_away = [reply for reply in replies if reply.status_code != 200]
    assert 1 <= len(turned_away) <= 4
    for reply in turned_away:
        assert reply.status_code == 503
        assert int(reply.headers["retry-after"]) >= 1
        assert reply.json()["error"]["code"] == "overloaded"
    assert "42" in said(ask(narrow.client, SUM, model="tiny")).content


def test_the_context_holds_prompt_and_answer(narrow: Server) -> None:
    completion = ask(narrow.client, STORY, model="tiny", max_tokens=None, **NEVER_STOP)
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage.total_tokens == 100
    with pytest.raises(openai.BadRequestError, match="context of 100 tokens") as refused:
        stream(narrow.client, STORY * 20, model="tiny")
    assert refused.value.code == "context_length_exceeded"


def test_the_limit_of_the_body_is_a_setting(narrow: Server) -> None:
    assert narrow.http.post("/v1/chat/completions", json=body("x" * 20_000)).status_code == 413


def test_a_body_that_stops_arriving_is_refused(narrow: Server) -> None:
    with socket.create_connection(narrow.address, timeout=20) as client:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: 99\r\n\r\n"
        client.sendall(head.encode() + b'{"messages": [')
        reply = client.recv(4096)
    assert reply.startswith(b"HTTP/1.1 400")
