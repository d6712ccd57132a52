"""Clients that leave at every stage, read slowly, or come by the hundred: no work is left behind, nobody else waits."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psutil
import pytest

from tests.conformance.server import Server, until
from tests.conformance.talk import JSON, NEVER_STOP, STORY, SUM, ask, body, said

LONG_PROMPT = "The keeper of the archive went to the forest. " * 1500  # many seconds of prefill
ENDLESS: JSON = {**NEVER_STOP, "max_tokens": 20_000}  # minutes of decoding


@pytest.fixture(autouse=True)
def nothing_is_left_behind(server: Server) -> Iterator[None]:
    """Afterwards the engine rests, an ordinary request is answered at once, and no error was logged."""
    before = len(server.log())
    yield
    until(lambda: is_idle(server.engine()), 10)
    assert "42" in said(ask(server.client, SUM)).content
    assert " E " not in server.log()[before:]


def is_idle(engine: psutil.Process) -> bool:
    """It used next to no processor time for a while."""
    before = sum(engine.cpu_times()[:2])
    time.sleep(0.3)
    return sum(engine.cpu_times()[:2]) - before < 0.1


class RawClient:
    """One request over a plain socket, which can be cut at any moment."""

    def __init__(self, server: Server, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        self.socket.connect(server.address)

    def post(self, request: JSON, sent: float = 1.0) -> None:
        """Sends the request, or the first part of it."""
        content = json.dumps(request).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
        self.socket.sendall(head.encode() + content[: int(len(content) * sent)])

    def read_until(self, word: bytes) -> bytes:
        received, deadline = b"", time.monotonic() + 60
        while word not in received:
            piece = self.socket.recv(4096)
            assert piece, f"closed after {received!r}"
            assert time.monotonic() < deadline, f"only {received!r}"
            received += piece
        return received

    def leave(self, *, reset: bool) -> None:
        """By FIN, or by RST as crashed clients do."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()


@contextmanager
def busy(server: Server, clients: int) -> Iterator[None]:
    """So many endless streams, which end when it is left."""
    crowd = [RawClient(server) for _ in range(clients)]
    for client in crowd:
        client.post(body(STORY, stream=True, **ENDLESS))
    try:
        crowd[0].read_until(b'"content":"')
        yield
    finally:
        for client in crowd:
            client.leave(reset=True)


def while_sending(client: RawClient) -> None:
    client.post(body(STORY), sent=0.5)
    time.sleep(0.1)


def at_once(client: RawClient) -> None:
    client.post(body(STORY, **ENDLESS))


def in_prefill(client: RawClient) -> None:
    client.post(body(LONG_PROMPT, stream=True))
    client.read_until(b": prefill ")


def in_prefill_without_a_stream(client: RawClient) -> None:
    client.post(body(LONG_PROMPT))
    time.sleep(0.5)


def while_reasoning(client: RawClient) -> None:
    client.post(body(STORY, stream=True, thinking=True, **ENDLESS))
    client.read_until(b'"reasoning_content":')


def while_streaming(client: RawClient) -> None:
    client.post(body(STORY, stream=True, **ENDLESS))
    client.read_until(b"fox")


def while_three_choices_stream(client: RawClient) -> None:
    client.post(body(STORY, stream=True, n=3, **ENDLESS))
    client.read_until(b'"index":2')


def while_the_answer_is_written(client: RawClient) -> None:
    client.post(body(STORY, **ENDLESS))
    time.sleep(0.5)


STAGES = [
    while_sending,
    at_once,
    in_prefill,
    in_prefill_without_a_stream,
    while_reasoning,
    while_streaming,
    while_three_choices_stream,
    while_the_answer_is_written,
]


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_leaving_ends_the_work(server: Server, stage: Callable[[RawClient], None], reset: bool) -> None:
    client = RawClient(server)
    try:
        stage(client)
    finally:
        client.leave(reset=reset)
    until(lambda: is_idle(server.engine()), 5)


def test_leaving_in_the_queue(server: Server) -> None:
    """More streams than the engine runs side by side: those behind them leave without a word."""
    with busy(server, 48):
        waiting = [RawClient(server) for _ in range(8)]
        for client in waiting:
            client.post(body(STORY, **ENDLESS))
        time.sleep(0.3)
        for client in waiting:
            client.leave(reset=False)


def test_many_who_leave_at_once(server: Server) -> None:
    with busy(server, 60):
        assert server.http.get("/health").elapsed.total_seconds() < 5


def test_a_client_that_sends_byte_by_byte_is_answered(server: Server) -> None:
    content = json.dumps(body(SUM)).encode()

    def dripping() -> Iterator[bytes]:
        for at in range(len(content)):
            time.sleep(0.002)
            yield content[at : at + 1]

    reply = server.http.post("/v1/chat/completions", content=dripping()).json()
    assert "42" in reply["choices"][0]["message"]["content"]


def test_a_client_that_reads_slowly_gets_everything_and_holds_up_nobody(server: Server) -> None:
    slow = RawClient(server, receive_buffer=2048)
    slow.post(body(STORY, stream=True, max_tokens=60))
    assert "42" in said(ask(server.client, SUM)).content
    received = b""
    while b"[DONE]" not in received:
        time.sleep(0.01)
        received += slow.socket.recv(512)
    assert received.count(b'"content":"') > 20
    assert b'"finish_reason":"length"' in received
    slow.leave(reset=False)


GARBAGE = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    "bad length": b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
    "bad chunk": b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "endless header": b"GET / HTTP/1.1\r\nx: " + b"a" * 200_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("sent", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_http_is_refused(server: Server, sent: bytes) -> None:
    client = RawClient(server)
    try:
        client.socket.sendall(sent)
        client.socket.shutdown(socket.SHUT_WR)
        reply = client.socket.recv(4096)
    except TimeoutError:
        raise
    except OSError:  # reset, or no longer connected: it closed first
        reply = b""
    assert reply == b"" or reply.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), reply
    client.leave(reset=False)


@pytest.mark.slow
def test_200_clients_at_once(server: Server) -> None:
    """Each gets its own answer, whole or streamed, or is told to come again; while they wait the server is alive."""
    with (
        httpx.Client(
            base_url=server.url, timeout=120, trust_env=False, limits=httpx.Limits(max_connections=200)
        ) as http,
        ThreadPoolExecutor(200) as pool,
    ):

        def answered(number: int) -> tuple[int, str]:
            request = body(f"What is {number} + 1?", max_tokens=4, stream=number % 2 == 1)
            response = http.post("/v1/chat/completions", json=request)
            return response.status_code, response.text

        replies = [pool.submit(answered, number) for number in range(200)]
        assert server.http.get("/health").elapsed.total_seconds() < 5
        outcomes = [reply.result() for reply in replies]
    assert {status for status, _ in outcomes} <= {200, 503}
    served = [text for status, text in outcomes if status == 200]
    assert len(served) == 200  # the queue holds 256
    for number, (_, text) in enumerate(outcomes):
        whole = number % 2 == 0
        assert ('"finish_reason":"' in text) if whole else text.endswith("data: [DONE]\n\n")
        assert '"error"' not in text
