"""Generated tool requests with all choices, drawn at temperature: calls are always valid.

`benchmarks/tool_calls.py` asks 200 of them.
"""

import asyncio

import pytest

from benchmarks._tool_requests import CHOICES, make_requests
from benchmarks.tool_calls import Outcome, ask_all
from tests.conformance.server import Server

COUNT = 12


@pytest.fixture(scope="module")
def outcomes(server: Server) -> list[Outcome]:
    """One after the other: batched and single products round differently, so a draw could fall otherwise."""
    return asyncio.run(ask_all(server.url, make_requests(COUNT), temperature=0.7, max_tokens=1000, at_once=1))


def test_calls_are_valid_and_declared(outcomes: list[Outcome]) -> None:
    assert {outcome.request.choice for outcome in outcomes} == set(CHOICES)
    assert [outcome.faulty for outcome in outcomes] == [[]] * COUNT
    assert [outcome.undeclared for outcome in outcomes] == [[]] * COUNT


def test_a_forced_choice_is_followed(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        names = {name for name, _ in outcome.whole.calls}
        if outcome.request.choice == "named":
            assert names == {outcome.request.name}
        if outcome.request.choice == "required":
            assert names


def test_most_are_right(outcomes: list[Outcome]) -> None:
    assert sum(outcome.right for outcome in outcomes) >= COUNT * 3 // 4


def test_a_streamed_answer_is_the_whole_one(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        assert outcome.streamed == outcome.whole
