"""One engine process and the gateway's end of its socket, from the start to the last signal."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence

from vivace.fleet.client import EngineClient, Lifecycle
from vivace.fleet.vitals import Death, Limits, Vitals, ailment, observe
from vivace.protocol import LoadFailed, Ready

logger = logging.getLogger("vivace.fleet")

_EXIT_GRACE_S = 1.0  # to end by itself once its socket is closed
_KILL_GRACE_S = 10.0  # for the kernel and its drivers to clear a killed process away
_STDERR = 2  # a stray print of a library belongs into the log, not into the answer of `vivace chat`


class EngineProcess:
    """A child process that speaks protocol.py over a socket pair.

    It has a session of its own, so Ctrl-C in the terminal reaches the gateway only. It ends when its socket closes, so
    it does not survive a gateway that was killed.
    """

    def __init__(self, process: asyncio.subprocess.Process, on_lifecycle: Callable[[Lifecycle], None]) -> None:
        self.process = process
        self.client = EngineClient(self._note)
        self._on_lifecycle = on_lifecycle
        self._ready_at: float | None = None
        self._load_failed: str | None = None

    @classmethod
    async def begin(cls, command: Sequence[str], on_lifecycle: Callable[[Lifecycle], None]) -> "EngineProcess":
        """Start `command` with the number of its socket as the last argument.

        Raises:
            OSError: it cannot be started.
        """
        ours, theirs = socket.socketpair()
        process: asyncio.subprocess.Process | None = None
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *(*command, str(theirs.fileno())),
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=_STDERR,
                    start_new_session=True,
                )
            engine = cls(process, on_lifecycle)
            await engine.client.attach(ours)
        except BaseException:
            ours.close()
            if process is not None:
                process.kill()
                await process.wait()
            raise
        return engine

    async def watch(self, limits: Limits) -> str | None:
        """Wait until it ends by itself (None) or has to be ended: then what is wrong with it."""
        ends = [asyncio.create_task(self.client.closed.wait()), asyncio.create_task(self.process.wait())]
        try:
            return await self._watch(ends, limits)
        finally:
            for task in ends:
                task.cancel()

    async def bury(self, problem: str | None) -> Death:
        """End what is left of it, fail its requests, and say how it died."""
        ready_s = None if self._ready_at is None else time.monotonic() - self._ready_at
        if problem is None:
            how = await self.end()
        else:
            how = f"{problem} and was killed"
            await self.kill(f"The engine {problem}; it was killed and is being restarted: try again.")
        return Death(how, ready_s, self._load_failed)

    async def end(self, message: str | None = None) -> str:
        """Close the connection and wait for the process, which is killed if it lingers. Returns how it ended."""
        self.client.close(message)
        if not await self.exited(_EXIT_GRACE_S):
            await self.kill()
            return "closed its connection without ending, and was killed"
        return _ending(self.process.returncode)

    async def kill(self, message: str | None = None) -> None:
        """SIGKILL to it and its children; returns when it is reaped, or when a driver does not let go of it."""
        self.send_signal(signal.SIGKILL)
        self.client.close(message)
        if not await self.exited(_KILL_GRACE_S):
            logger.error("process %d is still there %g s after SIGKILL", self.process.pid, _KILL_GRACE_S)

    async def exited(self, timeout_s: float) -> bool:
        """Whether it has ended within this time."""
        try:
            async with asyncio.timeout(timeout_s):  # wait_for of Python 3.11 can lose a cancellation
                await self.process.wait()
        except TimeoutError:
            return False
        return True

    def send_signal(self, number: signal.Signals) -> None:
        """To the whole session that it leads, unless it has ended."""
        if self.process.returncode is None:
            try:
                os.killpg(self.process.pid, number)
            except (
                ProcessLookupError,
                PermissionError,
            ):  # ended, and not yet reaped; the second is macOS's word for it
                return

    async def _watch(self, ends: list["asyncio.Task[bool] | asyncio.Task[int]"], limits: Limits) -> str | None:
        vitals, heard, before = Vitals(), 0, time.monotonic()
        while True:
            ended, _ = await asyncio.wait(ends, timeout=limits.ping_interval, return_when=asyncio.FIRST_COMPLETED)
            if ended:
                return None
            now = time.monotonic()
            vitals = observe(
                vitals,
                heard=self.client.heard != heard,
                pong=self.client.last_pong,
                loading=self._ready_at is None,
                elapsed_s=min(now - before, 2 * limits.ping_interval),
            )
            heard, before = self.client.heard, now
            problem = ailment(vitals, limits)
            if problem:
                return problem
            if not vitals.loading:
                self.client.ping()

    def _note(self, message: Lifecycle) -> None:
        if isinstance(message, LoadFailed):
            self._load_failed = message.message
            self.client.close()
        elif isinstance(message, Ready):
            self._ready_at = time.monotonic()
        self._on_lifecycle(message)


def _ending(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        named = -returncode in set(signal.Signals)
        return f"was killed by {signal.Signals(-returncode).name if named else f'signal {-returncode}'}"
    return f"ended with exit status {returncode}"
