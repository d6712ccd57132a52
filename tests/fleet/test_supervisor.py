"""Real processes and real signals: whatever happens to an engine, requests get an end and the next one succeeds."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from vivace.fleet.supervisor import EngineUnavailable, Supervisor
from vivace.protocol import Failed, Finished, Load, Tokens

from .builders import QUICK, alive, answer, scripted, starts, supervised, until


async def test_an_engine_becomes_ready_and_answers(tmp_path: Path) -> None:
    async with supervised("normal", tmp_path) as supervisor:
        client = await supervisor.connected()
        messages = await answer(client)
    assert [i for m in messages if isinstance(m, Tokens) for i in m.ids] == [0, 1, 2]
    assert isinstance(messages[-1], Finished)
    assert supervisor.status.state == "stopped"


async def test_loading_is_visible_while_it_lasts(tmp_path: Path) -> None:
    async with supervised("loads-slowly", tmp_path) as supervisor:
        assert supervisor.status.state == "starting"
        await until(lambda: supervisor.status.state == "loading")
        assert (supervisor.status.fraction, supervisor.status.message) == (0.5, "weights")
        await supervisor.connected()
        assert (supervisor.status.state, supervisor.status.fraction) == ("ready", 1.0)
        assert supervisor.status.ready is not None
        assert supervisor.status.ready.device == "cpu"


async def test_an_engine_killed_under_requests_fails_them_and_the_next_succeeds(tmp_path: Path) -> None:
    async with supervised("normal", tmp_path) as supervisor:
        client = await supervisor.connected()
        running = [asyncio.create_task(answer(client, f"r{i}", 10_000)) for i in range(5)]
        await until(lambda: client.open_requests == 5)
        assert supervisor.pid is not None
        os.kill(supervisor.pid, signal.SIGKILL)
        ends = [(await task)[-1] for task in running]
        assert all(isinstance(end, Failed) and end.kind == "engine_failed" for end in ends)
        assert all(isinstance(end, Failed) and "died" in end.message and "restarted" in end.message for end in ends)
        again = await asyncio.wait_for(supervisor.connected(), 5)
        assert isinstance((await answer(again))[-1], Finished)
    assert len(starts(tmp_path)) == 2
    assert supervisor.status.restarts == 1


async def test_a_request_that_kills_its_engine_costs_only_itself(tmp_path: Path) -> None:
    async with supervised("once-dies-on-request", tmp_path) as supervisor:
        end = (await answer(await supervisor.connected()))[-1]
        assert isinstance(end, Failed)
        assert isinstance((await answer(await supervisor.connected()))[-1], Finished)


@pytest.mark.parametrize(
    ("behaviour", "reason"), [("once-stalls", "made no progress"), ("once-talks-nonsense", "no message")]
)
async def test_a_broken_engine_is_replaced_and_its_request_fails_with_the_reason(
    tmp_path: Path, behaviour: str, reason: str
) -> None:
    async with supervised(behaviour, tmp_path) as supervisor:
        end = (await asyncio.wait_for(answer(await supervisor.connected()), 5))[-1]
        assert isinstance(end, Failed)
        assert reason in end.message
        assert isinstance((await answer(await supervisor.connected()))[-1], Finished)
        assert not alive(starts(tmp_path)[0])


async def test_a_stopped_process_is_noticed_even_when_idle(tmp_path: Path) -> None:
    async with supervised("normal", tmp_path) as supervisor:
        client = await supervisor.connected()
        assert supervisor.pid is not None
        os.kill(supervisor.pid, signal.SIGSTOP)
        end = (await asyncio.wait_for(answer(client), 5))[-1]
        assert isinstance(end, Failed)
        assert "did not answer for 0.6 s" in end.message
        assert isinstance((await answer(await supervisor.connected()))[-1], Finished)


async def test_an_idle_or_a_slowly_progressing_engine_is_left_alone(tmp_path: Path) -> None:
    async with supervised("normal", tmp_path) as supervisor:
        client = await supervisor.connected()
        await asyncio.sleep(1.0)
        assert isinstance((await answer(client, max_tokens=50))[-1], Finished)
    assert len(starts(tmp_path)) == 1


async def test_a_machine_that_slept_does_not_blame_the_engine(tmp_path: Path) -> None:
    async with supervised("normal", tmp_path) as supervisor:
        client = await supervisor.connected()
        os.kill(starts(tmp_path)[0], signal.SIGSTOP)
        await asyncio.sleep(0.15)
        time.sleep(1.0)  # noqa: ASYNC251  the event loop sleeps too, for longer than the stall timeout
        await asyncio.sleep(0.1)
        os.kill(starts(tmp_path)[0], signal.SIGCONT)
        assert isinstance((await answer(client))[-1], Finished)
    assert len(starts(tmp_path)) == 1


async def test_load_failure_is_final_until_asked_again(tmp_path: Path) -> None:
    async with supervised("once-fails-loading", tmp_path) as supervisor:
        with pytest.raises(EngineUnavailable, match="m needs more memory than there is"):
            await supervisor.connected()
        await asyncio.sleep(0.3)
        assert (supervisor.status.state, len(starts(tmp_path))) == ("failed", 1)
        supervisor.start()
        assert isinstance((await answer(await supervisor.connected()))[-1], Finished)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("dies-loading", "was killed by SIGKILL while loading, 2 times"),
        ("hangs-loading", r"gave no sign of loading for 0.6 s and was killed while loading, 2 times"),
    ],
)
async def test_dying_while_loading_is_tried_a_few_times_only(tmp_path: Path, behaviour: str, reason: str) -> None:
    async with supervised(behaviour, tmp_path) as supervisor:
        with pytest.raises(EngineUnavailable, match=reason):
            await asyncio.wait_for(supervisor.connected(), 8)
    assert len(starts(tmp_path)) == 2


async def test_a_crash_while_loading_does_not_stop_the_next_try(tmp_path: Path) -> None:
    async with supervised("once-dies-loading", tmp_path) as supervisor:
        assert isinstance((await answer(await supervisor.connected()))[-1], Finished)


async def test_a_command_that_does_not_exist_is_a_failure_with_its_name() -> None:
    supervisor = Supervisor("m", Load("m", 100), QUICK, ("/no/such/program",))
    supervisor.start()
    with pytest.raises(EngineUnavailable, match="/no/such/program"):
        await supervisor.connected()
    await supervisor.stop(0)


async def test_draining_lets_running_requests_finish(tmp_path: Path) -> None:
    async with supervised("normal", tmp_path) as supervisor:
        client = await supervisor.connected()
        running = asyncio.create_task(answer(client, max_tokens=20))
        await until(lambda: client.open_requests == 1)
        await supervisor.stop(drain_s=5)
        assert isinstance((await running)[-1], Finished)
        with pytest.raises(EngineUnavailable):
            await supervisor.connected()


@pytest.mark.parametrize("drain_s", [0.0, 0.2])
@pytest.mark.parametrize("behaviour", ["normal", "ignores-sigterm"])
async def test_a_drain_ends_when_its_time_is_over(tmp_path: Path, behaviour: str, drain_s: float) -> None:
    async with supervised(behaviour, tmp_path) as supervisor:
        client = await supervisor.connected()
        running = asyncio.create_task(answer(client, max_tokens=100_000))
        await until(lambda: client.open_requests == 1)
        begun = time.monotonic()
        await supervisor.stop(drain_s)
        assert drain_s <= time.monotonic() - begun < 4
        end = (await running)[-1]
        assert isinstance(end, Failed)
        assert end.message == "The server is shutting down."
        assert not alive(starts(tmp_path)[0])


@pytest.mark.parametrize("behaviour", ["normal", "hangs-loading", "dies-loading", "fails-loading"])
@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.3])
async def test_killing_at_any_moment_leaves_nothing(tmp_path: Path, behaviour: str, after_s: float) -> None:
    async with supervised(behaviour, tmp_path, replace(QUICK, load_timeout=30)) as supervisor:
        await asyncio.sleep(after_s)
        supervisor.kill()
        await asyncio.wait_for(supervisor.stop(5), 2)
        assert supervisor.pid is None


async def test_each_event_is_one_line_of_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vivace.fleet")
    async with supervised("once-dies-on-request", tmp_path) as supervisor:
        await answer(await supervisor.connected())
        await supervisor.connected()
        await supervisor.stop(1)
    first, second = starts(tmp_path)
    ready = "engine of m ready in 0.0 s (cpu)"
    assert [record.getMessage() for record in caplog.records] == [
        f"engine of m started as process {first}",
        ready,
        "engine of m was killed by SIGKILL; it starts again in 0.2 s",
        f"engine of m started as process {second}",
        ready,
        "engine of m stopped: it ended with exit status 0",
    ]


PARENT = """
import asyncio, sys
from vivace.fleet.supervisor import Supervisor
from vivace.fleet.vitals import Limits
from vivace.protocol import Load

async def main():
    supervisor = Supervisor("m", Load("m", 100), Limits(), sys.argv[1:])
    supervisor.start()
    await supervisor.connected()
    print(supervisor.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_gateway_killed_with_9_leaves_no_engine(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, *scripted("normal", tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: ASYNC220
        assert parent.stdout is not None
        engine = int(parent.stdout.readline())
        assert alive(engine)
        parent.kill()
    await until(lambda: not alive(engine), 5)
