"""What this process writes: its segment, and what is written but not yet in the index. Of the writer's thread."""

import errno
import time

from vivace.engine.cache.ssd import disk
from vivace.engine.cache.ssd.clear import clear_model
from vivace.engine.cache.ssd.folder import Folder
from vivace.engine.cache.ssd.index import Index
from vivace.engine.cache.ssd.pending import Name
from vivace.engine.cache.ssd.recency import Recency
from vivace.engine.cache.ssd.record import Entry, Model, Record
from vivace.engine.cache.ssd.segment import Numbers, SegmentWriter
from vivace.engine.cache.ssd.upkeep import Limits, Upkeep


class NoRoomError(OSError):
    """The limits leave none, also after eviction."""


class Store:
    """Methods raise `index.ERRORS`; what was to be committed then stays, for the next commit."""

    def __init__(self, folder: Folder, index: Index, model: Model, limits: Limits) -> None:
        self._folder = folder
        self._index = index
        self._model = model
        self._limits = limits
        self._numbers = Numbers()
        self.upkeep = Upkeep(folder, index, self._numbers, limits)
        self._segment: SegmentWriter | None = None
        self._full: list[SegmentWriter] = []
        self._rows: list[Entry] = []
        self._settled: list[Entry] = []
        self._used: list[Name] = []
        self._forgotten: list[Entry] = []
        self.written_bytes = 0

    @property
    def is_clean(self) -> bool:
        """Whether a commit would change nothing."""
        return not (self._rows or self._used or self._forgotten or self._full)

    def start(self) -> None:
        """Make the model known, take in what killed processes left."""
        with self._index.transaction():
            self._index.add_model(self._model)
        self.upkeep.start()

    def write(self, record: Record) -> Entry | None:
        """Append it to the segment; None if the index has it already."""
        if self._forgotten:
            self.commit()
        if self._index.contains(self._model, record.key, record.part):
            self.touch([(record.key, record.part)])
            return None
        segment = self._segment_for(record.extent)
        try:
            entry = segment.write(record)
        except OSError:
            self._retire()
            raise
        self.written_bytes += record.extent
        self._rows.append(entry)
        return entry

    def touch(self, names: list[Name]) -> None:
        self._used += names

    def forget(self, entry: Entry) -> None:
        self._forgotten.append(entry)

    def take_settled(self) -> list[Entry]:
        """Those written that the index has by now, or that are lost."""
        settled, self._settled = self._settled, []
        return settled

    def commit(self) -> None:
        """Sync the bytes, then write their rows."""
        self._drop_removed()
        for segment in self._segments():
            segment.sync()
        with self._index.transaction():
            self._write_rows()
        self._settled += self._rows
        self._rows, self._used, self._forgotten = [], [], []
        while self._full:
            self._full.pop().close()

    def keep_floor(self) -> None:
        """Evict when others have filled the disk."""
        if self._segment and self.upkeep.is_below_floor():
            self._retire()
            self.commit()
            self.upkeep.make_room(0)

    def clear(self) -> int:
        """Forget the model, in all processes; bytes freed."""
        self._settled += self._rows
        self._rows, self._used, self._forgotten = [], [], []
        for segment in self._segments():
            segment.close()
        self._segment, self._full = None, []
        freed = clear_model(self._folder, self._index, self._model)
        self.start()
        return freed

    def close(self) -> None:
        """Commit the last, and leave the segment to whoever needs its room."""
        if self._segment and not self._segment.is_empty:
            self._retire()
        try:
            self.commit()
        finally:
            for segment in self._segments():
                segment.close()
            if self._segment:
                disk.remove(self._segment.path)

    def _segments(self) -> list[SegmentWriter]:
        return [*self._full, *([self._segment] if self._segment else [])]

    def _segment_for(self, nbytes: int) -> SegmentWriter:
        self._drop_removed()
        if self._segment and self._segment.size + nbytes > self._limits.segment and not self._segment.is_empty:
            self._retire()
            self.commit()
        if self._segment is None:
            if not self.upkeep.make_room(max(nbytes, self._limits.segment)):
                raise NoRoomError(errno.ENOSPC, "no room within the cache's limit and above the free-space floor")
            self._segment = SegmentWriter(self._folder.segments, self._numbers, self._model)
        return self._segment

    def _retire(self) -> None:
        """No more goes into the segment; the next commit seals it."""
        if self._segment:
            self._full.append(self._segment)
            self._segment = None

    def _drop_removed(self) -> None:
        """Give up segments that others cleared away, with what lies in them."""
        removed = [segment for segment in self._segments() if segment.is_removed]
        for segment in removed:
            segment.close()
        self._full = [segment for segment in self._full if segment not in removed]
        self._segment = None if self._segment in removed else self._segment
        numbers = {segment.number for segment in removed}
        self._settled += [row for row in self._rows if row.segment in numbers]
        self._rows = [row for row in self._rows if row.segment not in numbers]

    def _write_rows(self) -> None:
        self._index.add_model(self._model)
        for entry in self._forgotten:
            self._index.forget(self._model, entry)
        recency = Recency(self._index, self._model, time.time_ns())
        for key, part in self._used:
            recency.touch(key, part)
        self._index.insert(self._model, [(row, recency.insert(row.key, row.part, row.parent)) for row in self._rows])
        recency.write()
        for segment in self._full:
            self._index.seal(segment.number, self._model)
