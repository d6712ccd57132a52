"""When records were last used, kept so that a block is always older than the one before it.

Then the least recently used record is the end of a conversation and never its beginning, without which the rest is
worthless. And a chain that is used again and again is written once a minute only: 1,600 rows are 6 MB of log.
"""

from vivace.engine.cache.ssd.index import Index
from vivace.engine.cache.ssd.record import Model, Part

FRESH_NS = 60 * 10**9


class Recency:
    """The uses of one commit, inside its transaction. Times in ns."""

    def __init__(self, index: Index, model: Model, now_ns: int) -> None:
        self._index = index
        self._model = model
        self._now = self._next = now_ns
        self._known: dict[bytes, int] = {}
        self._changed: list[tuple[bytes, Part, int]] = []

    def touch(self, key: bytes, part: Part) -> None:
        """A record was used: its block and those before are as new as now."""
        if part == "full":
            self._freshen(key)
        else:
            self._changed.append((key, part, self._tick()))

    def insert(self, key: bytes, part: Part, parent: bytes) -> int:
        """The time for a new record: just before its parent's."""
        before = self._freshen(parent)
        used = self._tick() if before is None else before - 1
        if part == "full":
            self._known[key] = used
        return used

    def write(self) -> None:
        self._index.use(self._model, self._changed)

    def _tick(self) -> int:
        self._next -= 1
        return self._next

    def _freshen(self, key: bytes) -> int | None:
        """The block's time, after making it and all before it fresh; None if it is not here."""
        stale: list[bytes] = []
        used = self._climb(key, stale)
        for each in reversed(stale):
            used -= 1
            self._known[each] = used
            self._changed.append((each, "full", used))
        return self._known.get(key)

    def _climb(self, key: bytes, stale: list[bytes]) -> int:
        """Collect blocks up to one that is fresh, and so are all before it; its time."""
        met: set[bytes] = set()
        while key and key not in met:
            met.add(key)
            if key in self._known:
                return self._known[key]
            link = self._index.link(self._model, key)
            if link is None:
                break
            if link.used >= self._now - FRESH_NS:
                self._known[key] = link.used
                return link.used
            stale.append(key)
            key = link.parent
        return self._tick()
