"""Moments of a process's end that real processes only hit by chance."""

import asyncio
import os
import signal
from typing import Any

import pytest

from vivace.fleet.engine_process import EngineProcess


class Process:
    """As much of asyncio's process as is looked at; ends when `ended` is set."""

    pid = 1 << 22  # beyond what Linux and macOS give out
    returncode = None

    def __init__(self) -> None:
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self.ended)


def engine(process: Any) -> EngineProcess:
    return EngineProcess(process, lambda message: None)


@pytest.mark.parametrize("ticks", range(5))
async def test_a_cancellation_at_the_moment_of_the_end_is_not_lost(ticks: int) -> None:
    process = Process()
    waiting = asyncio.create_task(engine(process).exited(5))
    await asyncio.sleep(0.01)
    process.ended.set_result(0)
    for _ in range(ticks):
        await asyncio.sleep(0)
    if waiting.done():
        assert waiting.result()
        return
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("error", [ProcessLookupError, PermissionError])
async def test_a_group_that_has_just_ended_takes_no_signal(monkeypatch: pytest.MonkeyPatch, error: type) -> None:
    """Linux finds no such group; macOS calls a group of zombies not permitted."""

    def killpg(pid: int, number: int) -> None:
        raise error

    monkeypatch.setattr(os, "killpg", killpg)
    process = Process()
    process.ended.set_result(0)
    await engine(process).kill()
    engine(process).send_signal(signal.SIGTERM)


async def test_a_process_that_no_signal_ends_does_not_hold_up_its_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vivace.fleet.engine_process._KILL_GRACE_S", 0.05)
    await asyncio.wait_for(engine(Process()).kill(), 2)
