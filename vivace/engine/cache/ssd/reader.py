"""The thread that reads: finds the file, reads neighbours in one go, and hands on only what verifies."""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from vivace.engine.cache.ssd import disk
from vivace.engine.cache.ssd.folder import Folder
from vivace.engine.cache.ssd.index import ERRORS, Index
from vivace.engine.cache.ssd.pending import Forget, Pending
from vivace.engine.cache.ssd.record import PARTS, Entry, Model, Record, verified_payload

logger = logging.getLogger(__name__)

Payload = bytes | memoryview
Done = Callable[[list[Payload | None]], None]

RUN_BYTES = 16 << 20
GAP_BYTES = 64 << 10
_SMOOTHING = 0.2


class Job(NamedTuple):
    """Entries to read, and whom to give them to."""

    entries: Sequence[Entry]
    done: Done


class Reader:
    """Any thread may call."""

    def __init__(self, folder: Folder, index: Index, model: Model, pending: Pending) -> None:
        self._folder = folder
        self._index = index
        self._model = model
        self._pending = pending
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.corrupt = 0
        self.missing = 0
        self.bytes_per_s = 0.0
        self._thread = threading.Thread(target=self._run, name="ssd-reader", daemon=True)
        self._thread.start()

    def read(self, entries: Sequence[Entry], done: Done) -> None:
        self._jobs.put(Job(entries, done))

    def close(self, timeout_s: float) -> None:
        """End after the jobs that wait."""
        self._jobs.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while job := self._jobs.get():
            payloads = self._read(job.entries)
            self.missing += payloads.count(None)
            try:
                job.done(payloads)
            except Exception:
                logger.exception("SSD cache: what takes the blocks failed")
        self._index.close()

    def _read(self, entries: Sequence[Entry]) -> list[Payload | None]:
        payloads: list[Payload | None] = [None] * len(entries)
        begun, nbytes = time.perf_counter(), 0
        places = []
        for i, entry in enumerate(entries):
            found = self._locate(entry)
            if isinstance(found, Record):
                payloads[i] = found.view
            elif found is not None:
                places.append((found, i))
        for run in runs(places):
            for i, payload in self._read_run(run):
                payloads[i] = payload
                nbytes += len(payload)
        self._measure(nbytes, time.perf_counter() - begun)
        return payloads

    def _locate(self, entry: Entry) -> Record | Entry | None:
        """The record itself while it waits to be written, else where it lies."""
        if not _is_plausible(entry):
            self._damaged(entry)
            return None
        if entry.segment:
            return entry
        return self._pending.get((entry.key, entry.part)) or self._look_again(entry)

    def _look_again(self, entry: Entry) -> Entry | None:
        """Where the record lies now, if elsewhere than `entry` says."""
        try:
            found = self._index.lookup(self._model, [entry.key])
        except ERRORS:
            return None
        return next((new for new in found if new.part == entry.part and new[:5] == entry[:5] and new != entry), None)

    def _read_run(self, run: list[tuple[Entry, int]]) -> Iterable[tuple[int, Payload]]:
        first, last = run[0][0], run[-1][0]
        try:
            data = memoryview(self._bytes(first.segment, first.offset, last.offset + last.extent - first.offset))
        except FileNotFoundError:
            yield from self._read_moved(run)
            return
        except OSError as error:
            logger.warning("SSD cache: cannot read %s: %s", self._folder.segment(first.segment), error)
            return
        for entry, i in run:
            start = entry.offset - first.offset
            payload = verified_payload(data[start : start + entry.extent], entry, self._model)
            if payload is None:
                self._damaged(entry)
            else:
                yield i, payload

    def _read_moved(self, run: list[tuple[Entry, int]]) -> Iterable[tuple[int, Payload]]:
        """Their file is gone: evicted, or merged into another."""
        for entry, i in run:
            new = self._look_again(entry)
            if new is None:
                self._pending.post(Forget(entry))
            elif _is_plausible(new) and self._folder.segment(new.segment).exists():
                yield from self._read_run([(new, i)])

    def _bytes(self, segment: int, offset: int, nbytes: int) -> bytes:
        fd = disk.open_file(self._folder.segment(segment))
        try:
            return disk.read(fd, nbytes, offset)
        finally:
            os.close(fd)

    def _damaged(self, entry: Entry) -> None:
        """Never read it again."""
        self.corrupt += 1
        logger.warning("SSD cache: a record in %s at %s is damaged and forgotten", entry.segment, entry.offset)
        self._pending.post(Forget(entry))

    def _measure(self, nbytes: int, seconds: float) -> None:
        if nbytes < GAP_BYTES or not seconds:
            return
        speed = nbytes / seconds
        self.bytes_per_s = speed if not self.bytes_per_s else self.bytes_per_s + _SMOOTHING * (speed - self.bytes_per_s)


def runs(places: Sequence[tuple[Entry, int]]) -> list[list[tuple[Entry, int]]]:
    """Neighbours in one file together, at most `RUN_BYTES` from end to end."""
    grouped: list[list[tuple[Entry, int]]] = []
    for place in sorted(places, key=lambda place: place[0][5:]):
        if grouped and _follows(grouped[-1], place[0]):
            grouped[-1].append(place)
        else:
            grouped.append([place])
    return grouped


def _follows(run: list[tuple[Entry, int]], entry: Entry) -> bool:
    first, last = run[0][0], run[-1][0]
    near = 0 <= entry.offset - (last.offset + last.extent) <= GAP_BYTES
    return entry.segment == first.segment and near and entry.offset + entry.extent - first.offset <= RUN_BYTES


def _is_plausible(entry: Entry) -> bool:
    """Whether a row of an index that may be damaged has the types and ranges that reading relies on."""
    numbers = (entry.nbytes, entry.segment, entry.offset)
    if not all(isinstance(number, int) and number >= 0 for number in numbers) or entry.part not in PARTS:
        return False
    return entry.nbytes < 1 << 40 and entry.segment < 1 << 63
