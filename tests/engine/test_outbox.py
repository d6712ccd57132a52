"""Sending without waiting, over a real socket pair."""

import socket
import threading
import time

import pytest

from vivace.engine.outbox import Outbox
from vivace.protocol import FrameReader, Tokens, from_engine_decoder


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    yield ours, theirs
    theirs.close()


def received(theirs: socket.socket, count: int) -> list[Tokens]:
    frames, messages = FrameReader(from_engine_decoder), []
    while len(messages) < count:
        messages += frames.feed(theirs.recv(1 << 16))
    return messages


def test_a_gateway_that_reads_nothing_does_not_stop_the_engine_and_loses_nothing(pair):
    ours, theirs = pair
    outbox = Outbox(ours)
    sent = [Tokens(str(i), list(range(2000))) for i in range(500)]  # some megabytes: more than any socket buffer
    began = time.monotonic()
    for message in sent:
        outbox.send([message])
    outbox.flush(0.01)
    assert time.monotonic() - began < 2
    assert received(theirs, len(sent)) == sent


def test_messages_of_several_threads_arrive_whole_and_each_thread_s_in_order(pair):
    ours, theirs = pair
    outbox = Outbox(ours)

    def talk(name: str) -> None:
        for i in range(200):
            outbox.send([Tokens(name, [i] * 500)])

    threads = [threading.Thread(target=talk, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    messages = received(theirs, 600)
    for name in "abc":
        assert [m.ids[0] for m in messages if m.id == name] == list(range(200))
    outbox.flush(5)
