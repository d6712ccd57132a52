"""Given what was seen of an engine, is it ill, and what follows its death?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivace.fleet.vitals import (
    Death,
    GiveUp,
    Limits,
    Record,
    Restart,
    Vitals,
    after_death,
    ailment,
    observe,
    restart_delay,
)
from vivace.protocol import Pong

LIMITS = Limits(stall_timeout=10, load_timeout=100, healthy=60, max_load_tries=3)


def pong(steps: int, busy: bool) -> Pong:
    return Pong(1, steps, busy, 0, 0, 0)


@pytest.mark.parametrize(
    ("vitals", "found"),
    [
        (Vitals(loading=True, silent_s=99), None),
        (Vitals(loading=True, silent_s=101), "gave no sign of loading for 100 s"),
        (Vitals(loading=True, stuck_s=101), None),
        (Vitals(loading=False, silent_s=9, stuck_s=9), None),
        (Vitals(loading=False, silent_s=11), "did not answer for 10 s"),
        (Vitals(loading=False, stuck_s=11), "made no progress for 10 s"),
    ],
)
def test_an_engine_is_ill_when_silent_or_stuck_for_too_long(vitals: Vitals, found: str | None) -> None:
    assert ailment(vitals, LIMITS) == found


@pytest.mark.parametrize(
    ("pongs", "stuck_s"),
    [
        ([pong(5, True), pong(5, True), pong(5, True)], 2),
        ([pong(5, True), pong(6, True), pong(7, True)], 0),
        ([pong(5, True), pong(5, True), pong(6, True)], 0),
        ([pong(5, False), pong(5, False), pong(5, False)], 0),
        ([pong(5, True), pong(5, False), pong(5, True)], 1),
        ([None, None, None], 0),
    ],
)
def test_stuck_means_busy_with_the_same_step(pongs: list[Pong | None], stuck_s: float) -> None:
    vitals = Vitals()
    for seen in pongs:
        vitals = observe(vitals, heard=True, pong=seen, loading=False, elapsed_s=1)
    assert vitals.stuck_s == stuck_s


@given(st.lists(st.booleans(), min_size=1))
def test_silence_is_the_time_since_something_was_heard(heard: list[bool]) -> None:
    vitals = Vitals()
    for one in heard:
        vitals = observe(vitals, heard=one, pong=None, loading=True, elapsed_s=1)
    assert vitals.silent_s == len(heard) - 1 - max((i for i, one in enumerate(heard) if one), default=-1)


@pytest.mark.parametrize(
    ("record", "death", "then"),
    [
        (Record(0, 0), Death("died", ready_s=5), (Record(1, 0), Restart(0.2))),
        (Record(1, 0), Death("died", ready_s=5), (Record(2, 0), Restart(1.0))),
        (Record(4, 0), Death("died", ready_s=5), (Record(5, 0), Restart(8.0))),
        (Record(9, 0), Death("died", ready_s=61), (Record(1, 0), Restart(0.2))),
        (Record(0, 0), Death("died", None), (Record(1, 1), Restart(0.2))),
        (Record(2, 2), Death("died", ready_s=1), (Record(3, 0), Restart(2.0))),
        (Record(2, 2), Death("died", None), (Record(3, 3), GiveUp("The engine died while loading, 3 times in a row."))),
        (Record(0, 0), Death("ended", None, "no memory"), (Record(0, 0), GiveUp("no memory"))),
    ],
)
def test_death_is_followed_by_a_restart_or_by_giving_up(
    record: Record, death: Death, then: tuple[Record, Restart | GiveUp]
) -> None:
    assert after_death(record, death, LIMITS) == then


def test_backoff_starts_quick_doubles_and_ends_at_half_a_minute() -> None:
    assert [restart_delay(deaths) for deaths in range(1, 10)] == [0.2, 1, 2, 4, 8, 16, 30, 30, 30]
    assert restart_delay(100_000) == 30
