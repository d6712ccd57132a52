"""The SSD tier: blocks by key on disk, for one model, in a folder that many processes share.

Whatever is wrong with the folder, nothing is raised: the tier then has a `problem` and everything is a miss.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from vivace.engine.cache.ssd import disk
from vivace.engine.cache.ssd.folder import Folder
from vivace.engine.cache.ssd.index import ERRORS, Index, is_busy
from vivace.engine.cache.ssd.pending import Pending, Touch
from vivace.engine.cache.ssd.reader import Done, Reader
from vivace.engine.cache.ssd.record import Entry, Model, Part, Record
from vivace.engine.cache.ssd.store import Store
from vivace.engine.cache.ssd.upkeep import Limits
from vivace.engine.cache.ssd.writer import Writer

logger = logging.getLogger(__name__)

MOST_CHILDREN = 32
FLOOR_BYTES = 2 << 30
FLOOR_SHARE = 0.05
CLOSE_S = 10.0
CLEAR_S = 30.0
LOOKUP_WAIT_S = 0.1


@dataclass(frozen=True)
class Stats:
    """Counts since the tier was opened, but entries and sizes.

    Attributes:
        problem: why nothing is written or found; empty if all is well.
        entries, nbytes: what the index has of this model.
        folder_bytes: all that lies in the folder, of every model.
        limit_bytes: what may lie there.
        queued_bytes: waiting to be written.
        written_bytes: with headers.
        dropped: records that were not stored: queue full, disk full, writing paused.
        hits, misses: of keys looked up.
        missing: records that were promised but could not be read; `corrupt` are those of them that were damaged.
        evicted: records, by this process.
        read_bytes_per_s: smoothed, with verification; 0 before the first read of any size.
    """

    problem: str = ""
    entries: int = 0
    nbytes: int = 0
    folder_bytes: int = 0
    limit_bytes: int = 0
    queued_bytes: int = 0
    written_bytes: int = 0
    dropped: int = 0
    hits: int = 0
    misses: int = 0
    missing: int = 0
    corrupt: int = 0
    evicted: int = 0
    read_bytes_per_s: float = 0.0


class SsdTier:
    """Used from one thread, the engine's; reading and writing happen on two others.

    Args:
        folder: made if missing.
        model: fingerprint of all that decides what the bytes mean; keys of another never match.
        limit_bytes: for the whole folder, all models and processes together.
        label: the model's name, for people.
        free_floor_bytes: what the file system keeps free; by default 2 GB or 5 %, whichever is more.
        queue_bytes: payloads that may wait to be written.
        segment_bytes: size of a file.
    """

    def __init__(
        self,
        folder: Path,
        model: str,
        limit_bytes: int,
        *,
        label: str = "",
        free_floor_bytes: int | None = None,
        queue_bytes: int = 256 << 20,
        segment_bytes: int = 32 << 20,
    ) -> None:
        self.problem: str | None = None
        self._model = Model(model, label)
        self._folder = Folder(folder)
        self._pending = Pending(queue_bytes)
        self._limit_bytes = limit_bytes
        self._dropped = self._hits = self._misses = 0
        try:
            self._open(free_floor_bytes, segment_bytes)
        except ERRORS as error:
            self.problem = f"{folder}: {error}"
            logger.warning("SSD cache is off: %s", self.problem)

    def _open(self, free_floor_bytes: int | None, segment_bytes: int) -> None:
        self._folder.prepare()
        if free_floor_bytes is None:
            free_floor_bytes = max(FLOOR_BYTES, int(disk.total_bytes(self._folder.path) * FLOOR_SHARE))
        limits = Limits(self._limit_bytes, free_floor_bytes, min(segment_bytes, self._limit_bytes // 4))
        index = Index(self._folder.index)
        store = Store(self._folder, index, self._model, limits)
        store.upkeep.open()
        self._index = Index(self._folder.index, wait_s=LOOKUP_WAIT_S)
        with suppress(*ERRORS), closing(Index(self._folder.index)) as warm:
            warm.lookup(self._model, [bytes(16)])  # the first lookup is slow: pages are read
        self._store = store
        self._writer = Writer(store, index, self._pending)
        self._reader = Reader(self._folder, Index(self._folder.index), self._model, self._pending)

    def lookup(self, keys: Sequence[bytes]) -> dict[tuple[bytes, Part], Entry]:
        """What is there of these blocks, also what still waits to be written."""
        if self.problem is not None:
            return {}
        found = self._pending.find(keys)  # first: a record leaves it only when the index has it
        try:
            found = {(entry.key, entry.part): entry for entry in self._index.lookup(self._model, keys)} | found
        except ERRORS as error:
            self._mistrust(error)
        hits = len({key for key, _ in found})
        self._hits += hits
        self._misses += len(keys) - hits
        return found

    def children(self, parent: bytes) -> list[Entry]:
        """Blocks that follow this one, at most 32; to explain where a prompt went another way."""
        if self.problem is not None:
            return []
        waiting = self._pending.children(parent)
        try:
            stored = self._index.children(self._model, parent, MOST_CHILDREN)
        except ERRORS as error:
            self._mistrust(error)
            stored = []
        return list({(entry.key, entry.part): entry for entry in stored + waiting}.values())[:MOST_CHILDREN]

    def shorter(self, parents: Sequence[bytes], nbytes: int) -> list[Entry]:
        """Blocks that follow these and whose tokens take less than `nbytes`."""
        if self.problem is not None:
            return []
        waiting = self._pending.shorter(parents, nbytes)
        try:
            return self._index.shorter(self._model, parents, nbytes) + waiting
        except ERRORS as error:
            self._mistrust(error)
            return waiting

    def put(self, record: Record) -> bool:
        """Queue it to be written; False if it will not be. Its payload must not change any more."""
        accepted = (
            self.problem is None and self._fits(record) and not self._writer.trouble and self._pending.put(record)
        )
        self._dropped += not accepted
        return accepted

    def _fits(self, record: Record) -> bool:
        return record.extent <= self._limit_bytes // 4

    def read(self, entries: Sequence[Entry], done: Done) -> None:
        """Give `done` the payloads, in order, on the reader's thread; None for what is missing, damaged or evicted."""
        if self.problem is not None:
            done([None] * len(entries))
        else:
            self._reader.read(entries, done)

    def touch(self, entries: Iterable[Entry]) -> None:
        """These were used: of a full part, the blocks before it count as used too."""
        self.touch_blocks((entry.key, entry.part) for entry in entries)

    def touch_blocks(self, names: Iterable[tuple[bytes, Part]]) -> None:
        """The same by key and part."""
        if self.problem is None:
            self._pending.post(Touch(list(names)))

    @property
    def read_bytes_per_s(self) -> float:
        """Smoothed; 0 before the first read of any size."""
        return 0.0 if self.problem is not None else self._reader.bytes_per_s

    def flush(self, timeout_s: float) -> bool:
        """Whether all that was put is on the disk and in the index."""
        return self.problem is None and self._writer.flush(timeout_s)

    def clear(self) -> int:
        """Forget this model, in all processes; bytes freed. Waits for the disk."""
        return self.begin_clear()()

    def begin_clear(self) -> Callable[[], int]:
        """The same without waiting: what it gives does, on any thread. What is put from now on stays."""
        if self.problem is not None:
            return lambda: 0
        wait = self._writer.begin_clear()
        return lambda: wait(CLEAR_S)

    def close(self) -> None:
        """Write what waits, for ten seconds at most."""
        if self.problem is None:
            self.problem = "closed"
            self._writer.close(CLOSE_S)
            self._reader.close(CLOSE_S)
            self._index.close()

    @property
    def stats(self) -> Stats:
        if self.problem is not None:
            return Stats(self.problem, limit_bytes=self._limit_bytes, dropped=self._dropped)
        try:
            (entries, nbytes), folder_bytes = self._index.usage(self._model), self._folder.nbytes()
        except ERRORS as error:
            self._mistrust(error)
            entries = nbytes = folder_bytes = 0
        return Stats(
            problem=self._writer.trouble,
            entries=entries,
            nbytes=nbytes,
            folder_bytes=folder_bytes,
            limit_bytes=self._limit_bytes,
            queued_bytes=self._pending.nbytes,
            written_bytes=self._store.written_bytes,
            dropped=self._dropped + self._writer.given_up,
            hits=self._hits,
            misses=self._misses,
            missing=self._reader.missing,
            corrupt=self._reader.corrupt,
            evicted=self._store.upkeep.evicted,
            read_bytes_per_s=self._reader.bytes_per_s,
        )

    def _mistrust(self, error: Exception) -> None:
        if not is_busy(error):
            self._writer.repair()
