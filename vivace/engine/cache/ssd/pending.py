"""What waits for the writer, and what it wrote but the index does not have yet: found without asking the index."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vivace.engine.cache.ssd.record import PARTS, Entry, Part, Record

Name = tuple[bytes, Part]


@dataclass(frozen=True)
class Touch:
    """These were used."""

    names: list[Name]


@dataclass(frozen=True)
class Forget:
    """This was not what its entry says."""

    entry: Entry


@dataclass
class Call:
    """Something else to do on the writer's thread, in its turn."""

    function: Callable[[], None]
    done: threading.Event = field(default_factory=threading.Event)
    succeeded: bool = False


Item = Record | Touch | Forget | Call


class Pending:
    """A queue with a bound in bytes; any thread may call."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._items: deque[Item] = deque()
        self._open: dict[Name, Record | Entry] = {}
        self._changed = threading.Condition()
        self.nbytes = 0

    def put(self, record: Record) -> bool:
        """False: there is no room. True also for one that is here already."""
        name = record.key, record.part
        with self._changed:
            if name in self._open:
                return True
            if self.nbytes + record.nbytes > self._limit:
                return False
            self._open[name] = record
            self.nbytes += record.nbytes
            self._items.append(record)
            self._changed.notify()
        return True

    def post(self, item: Touch | Forget | Call) -> None:
        with self._changed:
            self._items.append(item)
            self._changed.notify()

    def take(self, timeout_s: float | None) -> Item | None:
        """The next, for the writer; None after the time."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items), timeout_s)
            return self._items.popleft() if self._items else None

    def settle(self, record: Record, entry: Entry | None) -> None:
        """A record that was taken lies there now, or was given up."""
        name = record.key, record.part
        with self._changed:
            self.nbytes -= record.nbytes
            if self._open.get(name) is not record:  # it was dropped meanwhile, and perhaps put again
                return
            if entry is None:
                del self._open[name]
            else:
                self._open[name] = entry

    def committed(self, entries: list[Entry]) -> None:
        """From now on the index has these."""
        with self._changed:
            for entry in entries:
                if self._open.get((entry.key, entry.part)) is entry:
                    del self._open[entry.key, entry.part]

    def drop_records(self) -> None:
        """Give up all records that wait, and know no more of those that are being written."""
        with self._changed:
            records = [item for item in self._items if isinstance(item, Record)]
            self._items = deque(item for item in self._items if not isinstance(item, Record))
            self.nbytes -= sum(record.nbytes for record in records)
            self._open.clear()

    def find(self, keys: Sequence[bytes]) -> dict[Name, Entry]:
        """Those of these blocks that are here."""
        with self._changed:
            if not self._open:
                return {}
            names = [(key, part) for key in keys for part in PARTS]
            return {name: _entry(self._open[name]) for name in names if name in self._open}

    def children(self, parent: bytes) -> list[Entry]:
        with self._changed:
            return [_entry(each) for each in self._open.values() if each.parent == parent]

    def shorter(self, parents: Sequence[bytes], nbytes: int) -> list[Entry]:
        """Those behind these blocks whose tokens take less than `nbytes`."""
        with self._changed:
            if not self._open:
                return []
            behind = set(parents)
            return [_entry(e) for e in self._open.values() if e.parent in behind and len(e.tokens) < nbytes]

    def get(self, name: Name) -> Record | Entry | None:
        with self._changed:
            return self._open.get(name)


def _entry(each: Record | Entry) -> Entry:
    if isinstance(each, Entry):
        return each
    return Entry(each.key, each.part, each.parent, each.tokens, each.nbytes, 0, 0)
