"""Which messages of the engine the overhead benchmark drops."""

import socket

import pytest

from benchmarks import _muting_engine as muting
from vivace.protocol import Finished, FrameReader, FromEngine, Generate, Sampling, Timings, Tokens, from_engine_decoder

FINISHED = [Finished(name, "length", 1, 0, 3, Timings(0, 0, 1)) for name in ("loud", "quiet")]


@pytest.fixture
def pair() -> "tuple[muting._Outbox, socket.socket]":
    ours, theirs = socket.socketpair()
    return muting._Outbox(ours), theirs


def test_of_a_muted_request_only_the_first_token_and_the_end_are_sent(
    pair: "tuple[muting._Outbox, socket.socket]",
) -> None:
    outbox, theirs = pair
    switch = muting._Switch(outbox)
    switch.handle(Generate("loud", [1], 3, Sampling(seed=0)))
    switch.handle(Generate("quiet", [1], 3, Sampling(seed=muting.MUTED_SEED)))
    for token in range(3):
        outbox.send([Tokens("loud", [token]), Tokens("quiet", [token])])
    outbox.send(FINISHED)
    reader: FrameReader[FromEngine] = FrameReader(from_engine_decoder)
    assert reader.feed(theirs.recv(65536)) == [
        *[Tokens("loud", [0]), Tokens("quiet", [0]), Tokens("loud", [1]), Tokens("loud", [2])],
        *FINISHED,
    ]
