"""The gateway's end of the socket against a peer that is written out message by message."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from vivace.errors import VivaceError
from vivace.fleet.client import MAX_UNSENT, Answer, EngineClient, Lifecycle
from vivace.protocol import (
    CacheCleared,
    CacheExplanation,
    CacheQuery,
    CacheStats,
    Cancel,
    Failed,
    Finished,
    FrameReader,
    FromEngine,
    Generate,
    LoadFailed,
    Loading,
    Ping,
    Pong,
    Progress,
    Timings,
    ToEngine,
    TokenLogprob,
    Tokens,
    encode,
    to_engine_decoder,
)

from .builders import answer, until


class Peer:
    """The engine's end, read and written by the test."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.reader: FrameReader[ToEngine] = FrameReader(to_engine_decoder)
        self.received: list[ToEngine] = []

    async def expect(self, kind: type[ToEngine]) -> ToEngine:
        """The next message, which is of this kind."""
        while not self.received:
            data = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
            assert data, "the client hung up"
            self.received = self.reader.feed(data)
        message = self.received.pop(0)
        assert isinstance(message, kind)
        return message

    async def send(self, *messages: FromEngine) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, b"".join(map(encode, messages)))


Pair = tuple[EngineClient, Peer, list[Lifecycle]]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    ours, theirs = socket.socketpair()
    heard: list[Lifecycle] = []
    client = EngineClient(heard.append)
    await client.attach(ours)
    yield client, Peer(theirs), heard
    client.close()
    theirs.close()
    await asyncio.sleep(0)


def finished(id_: str) -> Finished:
    return Finished(id_, "stop", 1, 0, 1, Timings(0, 0, 0))


def asking(client: EngineClient, id_: str = "a") -> asyncio.Task[list[Answer]]:
    return asyncio.create_task(answer(client, id_))


async def test_answers_reach_their_requests_in_order_however_they_interleave(pair: Pair) -> None:
    client, peer, _ = pair
    a, b = asking(client, "a"), asking(client, "b")
    for _ in range(2):
        await peer.expect(Generate)
    await peer.send(Tokens("b", [7]), Tokens("a", [1]), finished("b"), Tokens("a", [2]), finished("a"))
    assert await a == [Tokens("a", [1, 2]), finished("a")]
    assert await b == [Tokens("b", [7]), finished("b")]
    assert client.open_requests == 0


async def test_what_queued_up_arrives_joined_and_complete(pair: Pair) -> None:
    client, peer, _ = pair
    a = asking(client)
    await peer.expect(Generate)
    logprobs = [TokenLogprob(i, -0.5, [(i, -0.5)]) for i in range(3)]
    await peer.send(
        *(Progress("a", done, 30) for done in (10, 20, 30)),
        *(Tokens("a", [i], [logprobs[i]]) for i in range(3)),
        finished("a"),
    )
    assert await a == [Progress("a", 30, 30), Tokens("a", [0, 1, 2], logprobs), finished("a")]


async def test_closing_the_iterator_cancels_once_and_late_messages_are_dropped(pair: Pair) -> None:
    client, peer, _ = pair
    stream = client.generate(Generate("a", [1], 5))
    first = asyncio.ensure_future(anext(stream))
    await peer.expect(Generate)
    await peer.send(Tokens("a", [1]))
    assert await first == Tokens("a", [1])
    await stream.aclose()
    assert await peer.expect(Cancel) == Cancel("a")
    await peer.send(Tokens("a", [2]), Finished("a", "cancelled", 1, 0, 2, Timings(0, 0, 0)), Tokens("never", [1]))
    client.ping()
    await peer.expect(Ping)
    assert client.open_requests == 0


async def test_cancelling_the_task_that_waits_cancels_the_request(pair: Pair) -> None:
    client, peer, _ = pair
    task = asking(client)
    await peer.expect(Generate)
    task.cancel()
    await asyncio.wait([task])
    await peer.expect(Cancel)
    assert client.open_requests == 0


async def test_a_request_that_ended_is_not_cancelled(pair: Pair) -> None:
    client, peer, _ = pair
    task = asking(client)
    await peer.expect(Generate)
    await peer.send(Failed("a", "overloaded", "full"))
    assert await task == [Failed("a", "overloaded", "full")]
    client.ping()
    await peer.expect(Ping)


async def test_a_lost_connection_fails_every_open_request_and_every_later_one(pair: Pair) -> None:
    client, peer, _ = pair
    tasks = [asking(client, id_) for id_ in "abc"]
    for _ in tasks:
        await peer.expect(Generate)
    await peer.send(Tokens("a", [1]), finished("a"))
    peer.sock.close()
    assert (await tasks[0])[-1] == finished("a")
    for task in [*tasks[1:], asking(client, "late")]:
        (end,) = await task
        assert isinstance(end, Failed)
        assert end.kind == "engine_failed"
        assert "died" in end.message
    assert client.closed.is_set()


async def test_closing_with_a_reason_tells_it_to_open_requests(pair: Pair) -> None:
    client, peer, _ = pair
    task = asking(client)
    await peer.expect(Generate)
    client.close("The server is shutting down.")
    assert await task == [Failed("a", "engine_failed", "The server is shutting down.")]


@pytest.mark.parametrize("garbage", [b"\x00\x00\x00\x02{}", b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1"])
async def test_nonsense_from_the_engine_ends_the_connection(pair: Pair, garbage: bytes) -> None:
    client, peer, _ = pair
    task = asking(client)
    await peer.expect(Generate)
    await asyncio.get_running_loop().sock_sendall(peer.sock, garbage)
    (end,) = await asyncio.wait_for(task, 5)
    assert isinstance(end, Failed)
    assert "no message" in end.message


async def test_lifecycle_and_pongs_go_their_own_way(pair: Pair) -> None:
    client, peer, heard = pair
    client.ping()
    ping = await peer.expect(Ping)
    assert isinstance(ping, Ping)
    pong = Pong(ping.nonce, 3, True, 1, 0, 1000)
    await peer.send(Loading(0.5), LoadFailed("no"), pong)
    await until(lambda: client.last_pong)
    assert client.last_pong == pong
    assert heard == [Loading(0.5), LoadFailed("no")]


async def test_an_id_is_open_only_once(pair: Pair) -> None:
    client, peer, _ = pair
    first = asking(client)
    await peer.expect(Generate)
    with pytest.raises(ValueError, match="'a' is open"):
        await answer(client)
    await peer.send(finished("a"))
    assert await first == [finished("a")]


async def test_an_engine_that_reads_nothing_gets_no_more_than_its_share(pair: Pair) -> None:
    client, _, _ = pair
    prompt = [2**31] * 1_000_000  # five bytes each
    tasks = [asyncio.create_task(anext(client.generate(Generate(str(i), prompt, 1)))) for i in range(16)]
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert {type(task.result()) for task in done} == {Failed}
    assert all("does not keep up" in getattr(task.result(), "message", "") for task in done)
    assert len(waiting) * 5_000_000 >= MAX_UNSENT
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


async def test_a_message_costs_no_task(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    client, peer, _ = pair
    task = asking(client)
    await peer.expect(Generate)
    made: list[object] = []
    create: Callable[..., asyncio.Task[object]] = asyncio.get_running_loop().create_task
    monkeypatch.setattr(asyncio.get_running_loop(), "create_task", lambda *a, **k: made.append(a) or create(*a, **k))
    for token in range(100):
        await peer.send(Tokens("a", [token]))
    await peer.send(finished("a"))
    await task
    assert made == []


async def test_questions_about_the_cache_are_answered_by_id(pair: Pair) -> None:
    client, peer, _ = pair
    stats = CacheStats("s", "", 10, 5, 100, 1000, 1, 0, 0, 0, None)
    asked = [
        asyncio.create_task(client.ask(CacheQuery("c", "clear"), CacheCleared)),
        asyncio.create_task(client.ask(CacheQuery("s", "stats"), CacheStats)),
        asyncio.create_task(client.ask(CacheQuery("e", "explain", "who"), CacheExplanation)),
    ]
    for query in ("c", "s", "e"):
        assert (await peer.expect(CacheQuery)).id == query
    await peer.send(stats, Failed("e", "not_found", "unknown"), CacheCleared("c", 7), CacheCleared("late", 8))
    assert await asked[0] == CacheCleared("c", 7)
    assert await asked[1] == stats
    with pytest.raises(VivaceError, match="unknown") as refused:
        await asked[2]
    assert refused.value.kind == "not_found"


async def test_a_question_has_a_time_limit(pair: Pair) -> None:
    client, peer, _ = pair
    with pytest.raises(VivaceError, match="did not answer within") as refused:
        await client.ask(CacheQuery("c", "clear"), CacheCleared, timeout_s=0.01)
    assert refused.value.kind == "overloaded"
    await peer.send(CacheCleared("c", 7))  # too late, and nobody minds


async def test_questions_fail_with_the_engine(pair: Pair) -> None:
    client, peer, _ = pair
    asked = asyncio.create_task(client.ask(CacheQuery("c", "clear"), CacheCleared))
    await peer.expect(CacheQuery)
    peer.sock.close()
    for question in (asked, client.ask(CacheQuery("d", "clear"), CacheCleared)):
        with pytest.raises(VivaceError, match="died") as refused:
            await question
        assert refused.value.kind == "engine_failed"
