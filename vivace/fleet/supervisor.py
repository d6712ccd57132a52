"""Keeps one engine process alive: starts it, watches it, restarts it, and ends it without leaving anything behind."""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vivace.fleet.client import SHUTTING_DOWN, EngineClient, Lifecycle
from vivace.fleet.engine_process import EngineProcess
from vivace.fleet.vitals import Death, GiveUp, Limits, Record, after_death
from vivace.protocol import Load, Loading, Ready

logger = logging.getLogger("vivace.fleet")

# -P: a json.py in the folder where the user typed `vivace serve` must not become the engine's json.
ENGINE_COMMAND = (sys.executable, "-P", "-m", "vivace.engine")  # the socket's number follows

_TERM_GRACE_S = 2.0

EngineState = Literal["starting", "loading", "ready", "restarting", "failed", "stopped"]


class EngineUnavailable(Exception):  # noqa: N818  the state of things, not a defect
    """There is no engine and none is coming. The message says why."""


@dataclass(frozen=True)
class EngineStatus:
    """What can be said about the engine now.

    Attributes:
        fraction: how much of the weights is in memory, 0 to 1.
        message: what it does or why it failed; "" if there is nothing to say.
        ready: what it told when it became ready, while it is.
        restarts: how often it was started again since `start`.
    """

    state: EngineState = "starting"
    fraction: float = 0.0
    message: str = ""
    ready: Ready | None = None
    restarts: int = 0


class Supervisor:
    """One engine process at a time, from `start` to `stop` or `kill`. Used from the event loop's thread only.

    Args:
        name: of the model, for the log.
        load: the first message to every process.
        command: starts an engine; the number of its socket is appended.
    """

    def __init__(self, name: str, load: Load, limits: Limits, command: Sequence[str] = ENGINE_COMMAND) -> None:
        self.status = EngineStatus()
        self._name = name
        self._load = load
        self._limits = limits
        self._command = tuple(command)
        self._changed = asyncio.Event()
        self._engine: EngineProcess | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def client(self) -> EngineClient | None:
        """The connection, if the engine is ready at this moment."""
        if self._engine is None or self.status.state != "ready" or self._engine.client.closed.is_set():
            return None
        return self._engine.client

    @property
    def pid(self) -> int | None:
        """Of the engine process, if there is one."""
        return self._engine.process.pid if self._engine is not None else None

    def start(self) -> None:
        """Begin, or begin again after `failed`; nothing happens while it is under way."""
        if self._task is None or self._task.done():
            self._set(EngineStatus())
            self._task = asyncio.create_task(self._supervise(), name=f"supervise {self._name}")

    async def connected(self) -> EngineClient:
        """The client of a ready engine, as soon as there is one.

        Raises:
            EngineUnavailable: it failed or was stopped.
        """
        while (client := self.client) is None:
            if self.status.state in ("failed", "stopped"):
                raise EngineUnavailable(self.status.message)
            await self._changed.wait()
        return client

    async def stop(self, drain_s: float) -> None:
        """Let running requests finish for `drain_s`, then end the engine by SIGTERM, then by SIGKILL."""
        ready = self.client is not None
        engine = await self._take_over()
        if engine is None:
            return
        if ready and drain_s > 0:
            engine.client.drain()
            await engine.exited(drain_s)
        engine.client.close(SHUTTING_DOWN)
        engine.send_signal(signal.SIGTERM)
        await engine.exited(_TERM_GRACE_S)
        how = await engine.end()
        logger.info("engine of %s stopped: it %s", self._name, how)

    def kill(self) -> None:
        """SIGKILL to the engine, whatever runs, and no restart. `stop` afterwards reaps it."""
        if self._engine is not None:
            self._engine.send_signal(signal.SIGKILL)
        self._end_supervision()

    async def _take_over(self) -> EngineProcess | None:
        """End the supervision; the process, if there is one, is the caller's to end."""
        self._end_supervision()
        if self._task is not None:
            await asyncio.wait([self._task])
        engine, self._engine = self._engine, None
        return engine

    def _end_supervision(self) -> None:
        self._set(EngineStatus("stopped", message="The engine was stopped.", restarts=self.status.restarts))
        if self._task is not None and not self._task.cancelling():  # once: twice would cut its tidying short
            self._task.cancel()

    async def _supervise(self) -> None:
        record = Record()
        while True:
            death = await self._live_once()
            record, decision = after_death(record, death, self._limits)
            if isinstance(decision, GiveUp):
                logger.error("engine of %s gave up: %s", self._name, decision.message)
                self._set(replace(self.status, state="failed", message=decision.message, ready=None))
                return
            logger.warning("engine of %s %s; it starts again in %g s", self._name, death.reason, decision.delay_s)
            message = f"The engine {death.reason}; it starts again in {decision.delay_s:g} s."
            self._set(EngineStatus("restarting", message=message, restarts=self.status.restarts + 1))
            await asyncio.sleep(decision.delay_s)

    async def _live_once(self) -> Death:
        """One process, from its start until nothing is left of it."""
        try:
            engine = self._engine = await EngineProcess.begin(self._command, self._on_lifecycle)
        except OSError as error:
            return Death(f"cannot be started ({error})", None)
        logger.info("engine of %s started as process %d", self._name, engine.process.pid)
        engine.client.load(self._load)
        problem = await engine.watch(self._limits)
        death = await engine.bury(problem)
        self._engine = None
        return death

    def _on_lifecycle(self, message: Lifecycle) -> None:
        if isinstance(message, Loading):
            self._set(replace(self.status, state="loading", fraction=message.fraction, message=message.note))
        elif isinstance(message, Ready):
            logger.info("engine of %s ready in %.1f s (%s)", self._name, message.load_s, message.device)
            self._set(replace(self.status, state="ready", fraction=1.0, message="", ready=message))

    def _set(self, status: EngineStatus) -> None:
        self.status = status
        self._changed.set()
        self._changed = asyncio.Event()
