"""The thread that writes: takes what waits, appends it to a segment, and twice a second syncs and tells the index.

An error of the disk stops writing for a minute and is logged once; reading goes on.
"""

import logging
import threading
import time
from collections.abc import Callable

from vivace.engine.cache.ssd.index import ERRORS, Index, is_busy, is_damaged
from vivace.engine.cache.ssd.pending import Call, Forget, Item, Pending, Touch
from vivace.engine.cache.ssd.record import Entry, Record
from vivace.engine.cache.ssd.store import Store

logger = logging.getLogger(__name__)

COMMIT_S = 0.5
PAUSE_S = 60.0


class Writer:
    """Any thread may call."""

    def __init__(self, store: Store, index: Index, pending: Pending) -> None:
        self._store = store
        self._index = index
        self._pending = pending
        self._due: float | None = None
        self._paused_until = 0.0
        self._repaired = 0.0
        self._trouble = ""
        self._ending = False
        self.given_up = 0
        self._thread = threading.Thread(target=self._run, name="ssd-writer", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str:
        """Why nothing is written now; empty if nothing hinders."""
        if not self._thread.is_alive():
            return "the writer has ended"
        return self._trouble if time.monotonic() < self._paused_until else ""

    def flush(self, timeout_s: float) -> bool:
        """Whether all that was put before is on the disk and in the index."""
        return self._call(self._commit, timeout_s)

    def begin_clear(self) -> Callable[[float], int]:
        """Forget the model and all that was put before now; what it gives waits so long for it: bytes freed."""
        freed: list[int] = []
        self._pending.drop_records()
        call = Call(lambda: freed.append(self._clear()))
        self._pending.post(call)

        def wait(timeout_s: float) -> int:
            call.done.wait(timeout_s)
            return sum(freed)

        return wait

    def repair(self) -> None:
        """Have the index looked at, at most once a minute."""
        if time.monotonic() > self._repaired + PAUSE_S or not self._repaired:
            self._repaired = time.monotonic()
            self._pending.post(Call(self._store.upkeep.rebuild))

    def close(self, timeout_s: float) -> None:
        """Write what waits, and end."""
        self._pending.post(Call(self._end))
        self._thread.join(timeout_s)

    def _call(self, function: Callable[[], None], timeout_s: float) -> bool:
        """Do it on the writer's thread, after all that was put before; whether it was done in time and succeeded."""
        call = Call(function)
        self._pending.post(call)
        return call.done.wait(timeout_s) and call.succeeded

    def _run(self) -> None:
        self._guarded(self._store.start)
        while not self._ending:
            item = self._pending.take(self._time_left())
            if item is not None:
                self._handle(item)
            if self._is_due():
                self._guarded(self._commit)
        self._guarded(self._store.close)
        self._index.close()

    def _handle(self, item: Item) -> None:
        match item:
            case Record():
                self._pending.settle(item, self._stored(item))
            case Touch(names):
                self._store.touch(names)
            case Forget(entry):
                self._store.forget(entry)
            case Call(function):
                item.succeeded = self._guarded(function)
                item.done.set()
        if self._due is None and not self._store.is_clean:
            self._due = time.monotonic() + COMMIT_S

    def _stored(self, record: Record) -> Entry | None:
        """Where it lies now; None if it was there already or cannot be stored."""
        results: list[Entry | None] = []
        if not self.trouble:
            self._guarded(lambda: results.append(self._store.write(record)))
        self.given_up += not results
        return results[0] if results else None

    def _time_left(self) -> float | None:
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def _is_due(self) -> bool:
        return self._due is not None and time.monotonic() >= self._due

    def _commit(self) -> None:
        self._due = time.monotonic() + COMMIT_S  # for another try, should this one fail
        self._store.commit()
        self._due = None
        self._settle()
        self._store.keep_floor()

    def _settle(self) -> None:
        """What the index has is no longer pending; and that it has something shows that the disk writes."""
        settled = self._store.take_settled()
        self._pending.committed(settled)
        if settled and not self.trouble:
            self._trouble = ""

    def _clear(self) -> int:
        freed = self._store.clear()
        self._settle()
        return freed

    def _end(self) -> None:
        self._ending = True

    def _guarded(self, action: Callable[[], None], *, again: bool = True) -> bool:
        """Whether it went well; a damaged index is made anew and the action repeated."""
        try:
            action()
        except ERRORS as error:
            if is_damaged(error) and again and self._guarded(self._store.upkeep.rebuild, again=False):
                return self._guarded(action, again=False)
            if not is_busy(error):
                self._pause(error)
            return False
        return True

    def _pause(self, error: Exception) -> None:
        self._paused_until = time.monotonic() + PAUSE_S
        if self._due is not None:
            self._due = self._paused_until
        if str(error) != self._trouble:
            logger.warning("SSD cache: nothing is written for %.0f s: %s", PAUSE_S, error)
        self._trouble = str(error)
