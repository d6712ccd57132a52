"""Plans: who is admitted, and which prompts the step's prefill budget goes to."""

import pytest

from vivace.engine.scheduler import CELL, MIN_CHUNK, SHORTEST, Plan, View, Waiting, plan_step


def view(*waiting: Waiting, **more) -> View:
    values = {"decoding": 0, "max_batch": 4, "chunk": 512, "prefill_rate": 1000.0, "free_bytes": 1 << 30}
    return View(waiting, **(values | more))


def test_nothing_waits_nothing_is_planned():
    assert plan_step(view()) == Plan()


def test_a_prompt_is_admitted_and_gets_the_models_chunk_when_nobody_decodes():
    assert plan_step(view(Waiting("a", 2000), prefill_rate=1e6)) == Plan(("a",), (("a", 512),))


def test_the_chunk_shrinks_to_the_time_budget_while_others_decode():
    assert plan_step(view(Waiting("a", 2000), decoding=1, budget_s=0.05, prefill_rate=2000.0)).prefill == (("a", 100),)


def test_a_chunk_on_a_slow_machine_is_bounded_in_time_so_that_cancelling_is_quick():
    assert plan_step(view(Waiting("a", 2000), idle_budget_s=0.5, prefill_rate=200.0)).prefill == (("a", 100),)


def test_prefill_never_stops_however_slow_it_is():
    plan = plan_step(view(Waiting("a", 2000), decoding=3, prefill_rate=1.0))
    assert plan.prefill == (("a", MIN_CHUNK),)


def test_short_prompts_share_one_step():
    plan = plan_step(view(Waiting("a", 30), Waiting("b", 40), Waiting("c", 0)))
    assert plan.prefill == (("c", 0), ("a", 30), ("b", 40))


def test_a_full_batch_admits_nobody():
    plan = plan_step(view(Waiting("a", 10), Waiting("b", 10, admitted=True), decoding=3))
    assert plan == Plan((), (("b", 10),))


def test_memory_bounds_who_is_admitted_in_order():
    queue = [Waiting(name, left, nbytes=size) for name, left, size in (("a", 1, 60), ("b", 2, 60), ("c", 3, 10))]
    assert plan_step(view(*queue, free_bytes=100)).admit == ("a",)
    assert plan_step(view(*queue, free_bytes=130)).admit == ("a", "b", "c")


def test_a_sequence_larger_than_what_is_free_runs_alone():
    big = Waiting("big", 10, nbytes=500)
    assert plan_step(view(big, free_bytes=100)).admit == ("big",)
    assert plan_step(view(big, free_bytes=100, decoding=1)).admit == ()
    assert plan_step(view(big, Waiting("on", 10, admitted=True), free_bytes=100)).admit == ()


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        (Waiting("long", 5000), Waiting("short", 50), "short"),
        (Waiting("long", 5000, waited_s=6.0), Waiting("short", 50), "long"),
        (Waiting("long", 5000, priority=-1), Waiting("short", 50), "long"),
        (Waiting("old", 50, waited_s=1.0), Waiting("new", 50), "old"),
    ],
)
def test_the_soonest_done_goes_first_unless_another_waited_as_long_as_it_needs(first, second, winner):
    assert plan_step(view(first, second)).prefill[0][0] == winner
    assert plan_step(view(second, first)).prefill[0][0] == winner


def test_an_output_that_has_begun_goes_before_prompts_whatever_they_have_waited():
    waiting = view(
        Waiting("old", 400, priority=-1, waited_s=60.0, admitted=True),
        Waiting("forced", 50, admitted=True, begun=True),
        decoding=1,
        budget_s=0.1,
    )
    assert plan_step(waiting).prefill == (("forced", 50), ("old", 48))


@pytest.mark.parametrize("budget", [32, 33, 70, 100, 511])
def test_chunks_end_at_whole_cells_and_the_last_is_no_scrap(budget):
    """Whatever the budget; and a prompt comes to its end."""
    for left in (*range(1, 150), 500, 519, 520, 521, 1000):
        taken: list[int] = []
        while rest := left - sum(taken):
            ((_, tokens),) = plan_step(view(Waiting("a", rest), chunk=budget, prefill_rate=1e9)).prefill
            taken.append(tokens)
        assert all(tokens % CELL == 0 for tokens in taken[:-1])
        assert min(taken) >= min(left, SHORTEST)
        assert max(taken) < budget + SHORTEST


def test_who_gets_too_little_of_a_shared_step_waits_for_the_next():
    plan = plan_step(view(Waiting("a", 90), Waiting("b", 95), Waiting("c", 200), chunk=128, prefill_rate=1e9))
    assert plan.prefill == (("a", 90), ("b", 36))
    plan = plan_step(view(Waiting("a", 118), Waiting("b", 130), Waiting("c", 200), chunk=128, prefill_rate=1e9))
    assert plan.prefill == (("a", 118),)
