"""Keeps the folder within its limits and the index in step with the files. On the writer's thread, alone in the folder.

Rows go first, files after: whoever still has an entry finds its file gone, and that is a miss.
"""

import errno
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from vivace.engine.cache.ssd import disk
from vivace.engine.cache.ssd.clear import owner_of
from vivace.engine.cache.ssd.folder import Folder
from vivace.engine.cache.ssd.index import ERRORS, Index, is_damaged
from vivace.engine.cache.ssd.plan import DropRecords, DropSegment, Merge, Remove, SegmentUse, Step, next_step
from vivace.engine.cache.ssd.record import Entry, Model
from vivace.engine.cache.ssd.segment import Numbers, SegmentWriter, read_model, scan

logger = logging.getLogger(__name__)

LOCK_WAIT_S = 10.0
_MOST_STEPS = 10_000


@dataclass(frozen=True)
class Limits:
    """In bytes.

    Attributes:
        folder: what may lie there, of all models and processes; exceeded by at most a segment of each process.
        free_floor: what the file system keeps free.
        segment: at which a new one begins.
    """

    folder: int
    free_floor: int
    segment: int


class Upkeep:
    """Methods raise `index.ERRORS`."""

    def __init__(self, folder: Folder, index: Index, numbers: Numbers, limits: Limits) -> None:
        self._folder = folder
        self._index = index
        self._numbers = numbers
        self._limits = limits
        self.evicted = 0

    def open(self) -> None:
        """Make the index if there is none, and anew if it is damaged."""
        try:
            self._index.sealed()
        except ERRORS as error:
            if not is_damaged(error):
                raise
            self._open_first()

    def _open_first(self) -> None:
        with self._folder.lock(LOCK_WAIT_S) as held:
            if not held:
                raise OSError(errno.EAGAIN, "another process keeps the cache folder locked")
            try:
                self._index.create()
            except ERRORS as error:
                if not is_damaged(error):
                    raise
                self._make_index()

    def make_room(self, nbytes: int) -> bool:
        """Bring the folder to where so many bytes may be added; False if that cannot be."""
        if self._excess(nbytes) <= 0:
            return True
        with self._folder.lock(LOCK_WAIT_S) as held:
            if not held:
                raise OSError(errno.EAGAIN, "another process keeps the cache folder locked")
            self._adopt_orphans()
            # Asked inside the lock: a moment later another process may have taken what became free, and makes room
            # itself then.
            return self._tidy(nbytes) <= 0

    def start(self) -> None:
        """Take in what killed processes left, and keep the limits."""
        with self._folder.lock(LOCK_WAIT_S) as held:
            if held:
                self._adopt_orphans()
                self._tidy(0)

    def is_below_floor(self) -> bool:
        return self._folder.free_bytes() < self._limits.free_floor

    def rebuild(self) -> None:
        """Make the index anew from the segments, unless another process did."""
        self._folder.prepare()
        with self._folder.lock(LOCK_WAIT_S) as held:
            if not held:
                raise OSError(errno.EAGAIN, "another process keeps the cache folder locked")
            if not self._index.is_sound():
                self._make_index()
            self._adopt_orphans(also_owned=True)

    def _make_index(self) -> None:
        logger.warning("SSD cache: the index of %s is damaged and is made anew", self._folder.path)
        self._index.close()
        self._folder.remove_index()
        self._index.create()

    def _excess(self, nbytes: int) -> int:
        too_many = self._folder.nbytes() + nbytes - self._limits.folder
        return max(too_many, self._limits.free_floor + nbytes - self._folder.free_bytes())

    def _tidy(self, nbytes: int) -> int:
        """Take steps until none is left; the bytes that are still too many."""
        for _ in range(_MOST_STEPS):
            segments, excess = self._survey(), self._excess(nbytes)
            step = next_step(
                segments,
                excess=excess,
                segment_bytes=self._limits.segment,
                limit_bytes=self._limits.folder,
                may_write=not self.is_below_floor(),
            )
            if step is None or not self._take(step):
                break
        return excess

    def _survey(self) -> list[SegmentUse]:
        """The sealed segments; rows and seals of files that are gone are dropped."""
        live, sealed = (
            self._index.live_bytes(),
            self._index.sealed(),
        )  # before the files: these are older than their rows
        files = self._folder.files()
        gone = (live.keys() | sealed.keys()) - files.keys()
        if gone:
            with self._index.transaction():
                for segment in gone:
                    self._index.drop_segment(segment)
                    self._index.drop_seal(segment)
        return [SegmentUse(n, sealed[n], size, live.get(n, 0)) for n, size in files.items() if n in sealed]

    def _take(self, step: Step) -> bool:
        """Do it; False when it changed nothing."""
        match step:
            case Remove(segments):
                self._remove(segments)
                return True
            case Merge(segments):
                self._merge(segments)
                return True
            case DropRecords(nbytes):
                return self._evict(lambda: self._index.drop_oldest(nbytes))
            case DropSegment():
                segment = self._index.oldest_segment()
                return segment is not None and self._evict(lambda: self._index.drop_segment(segment))

    def _evict(self, drop: Callable[[], int]) -> bool:
        with self._index.transaction():
            dropped = drop()
        self.evicted += dropped
        return dropped > 0

    def _remove(self, segments: list[int]) -> None:
        for segment in segments:
            disk.remove(self._folder.segment(segment))
        with self._index.transaction():
            for segment in segments:
                self._index.drop_seal(segment)

    def _merge(self, segments: list[int]) -> None:
        """Move their live records into a new segment. One whose head is damaged loses them."""
        model = next(filter(None, (owner_of(self._folder, segment) for segment in segments)), None)
        if model is not None:
            target = SegmentWriter(self._folder.segments, self._numbers, model)
            try:
                moves = [move for segment in segments for move in self._copy(segment, target)]
                target.sync()
                with self._index.transaction():
                    for name, old, offset in moves:
                        self._index.move(name, old, target.number, offset)
                    self._index.seal(target.number, model)
            finally:
                target.close()
        with self._index.transaction():
            for segment in segments:
                self._index.drop_segment(segment)
        self._remove(segments)

    def _copy(self, segment: int, target: SegmentWriter) -> list[tuple[int, int, int]]:
        """Name, old segment and new offset of each live record."""
        fd = disk.open_file(self._folder.segment(segment))
        try:
            return [
                (name, segment, target.copy(disk.read(fd, size, offset)))
                for name, offset, size in self._index.places(segment)
            ]
        finally:
            os.close(fd)

    def _adopt_orphans(self, *, also_owned: bool = False) -> None:
        """Index what lies in segments that were never sealed and that nobody appends to any more.

        Args:
            also_owned: index those that a process does append to, too; they stay its own.
        """
        sealed = self._index.sealed()
        for segment in self._folder.files():
            if segment not in sealed:
                self._adopt(segment, also_owned)

    def _adopt(self, segment: int, also_owned: bool) -> None:
        path = self._folder.segment(segment)
        try:
            fd = disk.open_file(path)
        except FileNotFoundError:
            return
        try:
            is_orphan = disk.lock(fd)
            if is_orphan or also_owned:
                model = read_model(fd)
                if model is not None:
                    self._index_all(segment, fd, model, seal=is_orphan)
                elif is_orphan:
                    disk.remove(path)
        finally:
            os.close(fd)

    def _index_all(self, segment: int, fd: int, model: Model, *, seal: bool) -> None:
        used = min(os.fstat(fd).st_mtime_ns, time.time_ns())
        with self._index.transaction():
            self._index.add_model(model)
            rows = [
                (Entry(*found.header[:5], segment, found.offset), used - i)
                for i, found in enumerate(scan(fd, model, verify=True))
                if found.sound
            ]
            self._index.insert(model, rows)
            if seal:
                self._index.seal(segment, model)
