"""Engines and gateways that die or hang in the middle of an answer, and servers that are told to end."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest
from openai import Stream
from openai.types.chat import ChatCompletionChunk

from tests.conformance.server import Server, alive, serving, until
from tests.conformance.talk import NEVER_STOP, STORY, SUM, arguments, ask, assembled, said

LONG = arguments(STORY, max_tokens=20_000, **NEVER_STOP)


@contextmanager
def streaming(server: Server, tokens: int = 20_000) -> Iterator[Stream[ChatCompletionChunk]]:
    """An answer of so many tokens that has begun."""
    with server.client.chat.completions.create(**LONG | {"max_tokens": tokens}, stream=True) as chunks:
        for _ in range(3):
            next(chunks)
        yield chunks


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server to be maltreated. A watchful one: an engine without progress for 2 s is restarted."""
    with serving(tmp_path, "--stall-timeout-s", "2") as server:
        yield server
        assert "Traceback" not in server.log()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_an_engine_that_dies_or_hangs_fails_its_answers_and_is_replaced(own_server: Server, number: int) -> None:
    engine = own_server.engine()
    with ThreadPoolExecutor(1) as pool, streaming(own_server) as chunks:
        whole = pool.submit(own_server.client.chat.completions.create, **LONG)
        time.sleep(0.5)
        engine.send_signal(number)
        with pytest.raises(openai.APIError) as failed:
            list(chunks)
        assert failed.value.code == "engine_failed"
        assert "engine" in failed.value.message
        refused = whole.exception(timeout=30)
        assert isinstance(refused, openai.InternalServerError)
        assert (refused.status_code, refused.code) == (503, "engine_failed")
        assert int(refused.response.headers["retry-after"]) > 0
    assert "42" in said(ask(own_server.client, SUM)).content
    assert own_server.engine().pid != engine.pid
    assert not alive(engine)
    assert own_server.http.get("/health").status_code == 200


@pytest.mark.slow
def test_the_sdks_retries_bridge_the_restart(own_server: Server) -> None:
    """Even a request that is sent before the gateway knows of the death."""
    client = own_server.client.with_options(max_retries=5)
    for _ in range(2):
        own_server.engine().kill()
        assert "42" in said(ask(client, SUM)).content


def test_an_engine_survives_no_gateway(own_server: Server) -> None:
    engine = own_server.engine()
    with streaming(own_server):
        own_server.signal(signal.SIGKILL)
        until(lambda: not alive(engine), 5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_running_answer_is_finished_first(own_server: Server, number: int) -> None:
    engine = own_server.engine()
    with streaming(own_server, tokens=60) as chunks:
        own_server.signal(number)
        assert assembled(chunks).finish_reason == "length"
    assert own_server.process.wait(30) == 0
    assert not alive(engine)


def test_the_second_sigint_ends_everything_at_once(own_server: Server) -> None:
    engine = own_server.engine()
    with streaming(own_server):
        own_server.signal(signal.SIGINT)
        time.sleep(0.5)
        assert own_server.process.poll() is None
        own_server.signal(signal.SIGINT)
        assert own_server.process.wait(3) == 128 + signal.SIGINT
    until(lambda: not alive(engine), 3)


def test_the_log_says_how_an_engine_died(own_server: Server) -> None:
    own_server.engine().kill()
    until(lambda: "it starts again in" in own_server.log(), 10)
    assert "SIGKILL" in own_server.log()
    own_server.wait_until_ready()
