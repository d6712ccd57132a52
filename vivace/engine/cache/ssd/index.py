"""Where each record lies: one SQLite file for the whole folder, all models and all processes.

A row is there only if its record is in the file, synced. Rows are found by a number made of model, key and part, under
which the parts of a block are neighbours, and lie in the order they came, so a conversation fills few pages.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from vivace.engine.cache.ssd import disk
from vivace.engine.cache.ssd.record import PARTS, Entry, Model, Part

ERRORS = (OSError, sqlite3.Error)
_DAMAGED = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_SCHEMA}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_COLUMNS = "key, part, parent, tokens, nbytes, segment, offset"
_CHUNK = 512
_FEW = 32

_TABLES = "SELECT type, name, sql FROM sqlite_master"

# FULL: one sync more in each commit, twice a second, and what was confirmed survives a power cut. Deleted rows are
# overwritten, they hold prompts. The log counts towards the folder's limit and stays near 1 MB.
_SETTINGS = (
    "synchronous = FULL",
    "cache_size = -32768",
    "secure_delete = ON",
    "wal_autocheckpoint = 256",
    "journal_size_limit = 1048576",
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS models (
    number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, label TEXT NOT NULL,
    entries INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS sealed (segment INTEGER PRIMARY KEY, model INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY, name INTEGER NOT NULL UNIQUE, model INTEGER NOT NULL,
    key BLOB NOT NULL, part TEXT NOT NULL, parent BLOB NOT NULL, nbytes INTEGER NOT NULL, size INTEGER NOT NULL,
    segment INTEGER NOT NULL, offset INTEGER NOT NULL, used INTEGER NOT NULL, tokens BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS by_parent ON records (parent, model);
CREATE INDEX IF NOT EXISTS by_segment ON records (segment, size);
CREATE INDEX IF NOT EXISTS by_use ON records (used, size);
CREATE TRIGGER IF NOT EXISTS counted AFTER INSERT ON records BEGIN
    UPDATE models SET entries = entries + 1, bytes = bytes + NEW.size WHERE number = NEW.model; END;
CREATE TRIGGER IF NOT EXISTS discounted AFTER DELETE ON records BEGIN
    UPDATE models SET entries = entries - 1, bytes = bytes - OLD.size WHERE number = OLD.model; END;
"""


def is_damaged(error: Exception) -> bool:
    """Whether the index itself is wrong or gone, so that making it anew helps."""
    return isinstance(error, FileNotFoundError) or _code(error) in _DAMAGED


def is_busy(error: Exception) -> bool:
    return _code(error) in _BUSY


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", -1) & 0xFF


def name_of(model: Model, key: bytes, part: Part | None = None) -> int:
    """The number a row is found by; without part, of the first that a block can have."""
    block = (int.from_bytes(key[:8], "little") ^ model.number) & ((1 << 61) - 1)
    return block << 2 | (PARTS.index(part) if part else 0)


class Link(NamedTuple):
    """A block's parent and the time it was last used, in ns."""

    parent: bytes
    used: int


class Index:
    """One connection, for one thread at a time; opened when first used, and again if the file was exchanged.

    Methods raise OSError or sqlite3.Error (`ERRORS`).
    """

    def __init__(self, path: Path, *, wait_s: float = 10.0) -> None:
        self._path = path
        self._wait_s = wait_s
        self._inode = 0
        self._connection: sqlite3.Connection | None = None

    def create(self) -> None:
        """Make file and tables where they are missing."""
        with contextlib.suppress(FileExistsError):
            # SQLite gives -wal and -shm the mode of this file. A file that is there is not opened: closing it
            # would take SQLite's locks from this process.
            os.close(disk.create(self._path))
        mode = self._db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise OSError("this file system does not allow several processes to share the index")
        with self.transaction() as db:
            for statement in _SCHEMA.split(";\n"):
                db.execute(statement)

    @property
    def _db(self) -> sqlite3.Connection:
        inode = os.stat(self._path).st_ino
        if self._connection is None or inode != self._inode:
            self.close()
            self._connection = self._connect()
            self._inode = inode
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode=rw"
        db = sqlite3.connect(uri, uri=True, timeout=self._wait_s, isolation_level=None, check_same_thread=False)
        for setting in _SETTINGS:
            db.execute(f"PRAGMA {setting}")
        return db

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def is_sound(self) -> bool:
        """Whether SQLite finds nothing wrong in it, and its tables are ours."""
        try:
            return bool(self._db.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok") and self._has_our_tables()
        except ERRORS:
            return False

    def _has_our_tables(self) -> bool:
        with contextlib.closing(sqlite3.connect(":memory:")) as pattern:
            pattern.executescript(_SCHEMA)
            return set(pattern.execute(_TABLES)) == set(self._db.execute(_TABLES))

    # Finding

    def lookup(self, model: Model, keys: Sequence[bytes]) -> list[Entry]:
        """All parts that are there of these blocks."""
        wanted = {name_of(model, key): key for key in keys}
        numbers = list(wanted)
        found: list[Entry] = []
        for start in range(0, len(numbers), _CHUNK):
            found += self._rows(numbers[start : start + _CHUNK], wanted)
        return found

    def _rows(self, numbers: list[int], wanted: dict[int, bytes]) -> list[Entry]:
        width = _FEW if len(numbers) <= _FEW else _CHUNK  # few statements, which SQLite then keeps prepared
        places = ", ".join(["(?)"] * width)
        wanting = f"WITH w (n) AS (VALUES {places})"
        sql = f"{wanting} SELECT n, {_COLUMNS} FROM w CROSS JOIN records WHERE name BETWEEN n AND n + 2"
        rows = self._db.execute(sql, numbers + [-4] * (width - len(numbers)))
        return [Entry._make(row[1:]) for row in rows if wanted.get(row[0]) == row[1] and type(row[4]) is bytes]

    def children(self, model: Model, parent: bytes, most: int) -> list[Entry]:
        sql = f"SELECT {_COLUMNS} FROM records WHERE parent = ? AND model = ? LIMIT ?"
        return [Entry._make(row) for row in self._db.execute(sql, (parent, model.number, most))]

    def shorter(self, model: Model, parents: Sequence[bytes], nbytes: int) -> list[Entry]:
        """Blocks that follow these and whose tokens take less than `nbytes`."""
        found: list[Entry] = []
        for start in range(0, len(parents), _CHUNK):
            some = parents[start : start + _CHUNK]
            wanting = f"WITH w (k) AS (VALUES {', '.join(['(?)'] * len(some))})"
            sql = f"{wanting} SELECT {_COLUMNS} FROM w CROSS JOIN records WHERE parent = k AND model = ?"
            rows = self._db.execute(f"{sql} AND length(tokens) < ?", [*some, model.number, nbytes])
            found += [Entry._make(row) for row in rows]
        return found

    def contains(self, model: Model, key: bytes, part: Part) -> bool:
        sql = "SELECT key FROM records WHERE name = ?"
        row = self._db.execute(sql, (name_of(model, key, part),)).fetchone()
        return row is not None and bool(row[0] == key)

    def link(self, model: Model, key: bytes) -> Link | None:
        """Of the block's full part."""
        sql = "SELECT parent, used FROM records WHERE name = ? AND key = ?"
        row = self._db.execute(sql, (name_of(model, key, "full"), key)).fetchone()
        return Link._make(row) if row else None

    # Changing, inside a transaction

    def insert(self, model: Model, uses: Iterable[tuple[Entry, int]]) -> int:
        """Add records with the time of their use (ns); one that is there already stays. How many were new."""
        rows = [
            (
                name_of(model, e.key, e.part),
                model.number,
                *e[:3],
                e.nbytes,
                e.extent,
                e.segment,
                e.offset,
                used,
                e.tokens,
            )
            for e, used in uses
        ]
        added = self._db.executemany(
            "INSERT OR IGNORE INTO records VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
        )
        return added.rowcount

    def add_model(self, model: Model) -> None:
        sql = "INSERT INTO models (number, fingerprint, label) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET label = ?"
        self._db.execute(sql, (model.number, model.fingerprint, model.label, model.label))

    def seal(self, segment: int, model: Model) -> None:
        """From now on this segment has no record without a row, but those that were given up."""
        self._db.execute("INSERT OR IGNORE INTO sealed VALUES (?, ?)", (segment, model.number))

    def use(self, model: Model, uses: Iterable[tuple[bytes, Part, int]]) -> None:
        rows = [(used, name_of(model, key, part)) for key, part, used in uses]
        self._db.executemany("UPDATE records SET used = ? WHERE name = ?", rows)

    def forget(self, model: Model, entry: Entry) -> None:
        """Drop the row if it still names this place."""
        place = name_of(model, entry.key, entry.part), entry.segment, entry.offset
        self._db.execute("DELETE FROM records WHERE name = ? AND segment = ? AND offset = ?", place)

    # For upkeep

    def sealed(self) -> dict[int, int]:
        """Number of the model by segment."""
        return dict(self._db.execute("SELECT segment, model FROM sealed"))

    def live_bytes(self) -> dict[int, int]:
        """By segment."""
        return dict(self._db.execute("SELECT segment, SUM(size) FROM records GROUP BY segment"))

    def places(self, segment: int) -> list[tuple[int, int, int]]:
        """Name, offset and size of its records, in order."""
        sql = "SELECT name, offset, size FROM records WHERE segment = ? ORDER BY offset"
        return self._db.execute(sql, (segment,)).fetchall()

    def move(self, name: int, old: int, new: int, offset: int) -> None:
        sql = "UPDATE records SET segment = ?, offset = ? WHERE name = ? AND segment = ?"
        self._db.execute(sql, (new, offset, name, old))

    def drop_oldest(self, nbytes: int) -> int:
        """Forget the records whose use is longest ago, at least so many bytes of them; how many records."""
        running = "SELECT used, SUM(size) OVER (ORDER BY used ROWS UNBOUNDED PRECEDING) AS total FROM records"
        row = self._db.execute(f"SELECT used FROM ({running}) WHERE total >= ? LIMIT 1", (nbytes,)).fetchone()
        if row is None:
            return self._db.execute("DELETE FROM records").rowcount
        return self._db.execute("DELETE FROM records WHERE used <= ?", row).rowcount

    def oldest_segment(self) -> int | None:
        """That of the record whose use is longest ago."""
        row = self._db.execute("SELECT segment FROM records ORDER BY used LIMIT 1").fetchone()
        return row[0] if row else None

    def drop_segment(self, segment: int) -> int:
        """Forget all that lies in it; how many records."""
        return self._db.execute("DELETE FROM records WHERE segment = ?", (segment,)).rowcount

    def drop_seal(self, segment: int) -> None:
        self._db.execute("DELETE FROM sealed WHERE segment = ?", (segment,))

    # Of a model

    def models(self) -> list[tuple[Model, int, int]]:
        """With entries and bytes."""
        rows = self._db.execute("SELECT fingerprint, label, entries, bytes FROM models ORDER BY label, fingerprint")
        return [(Model(row[0], row[1]), row[2], row[3]) for row in rows]

    def usage(self, model: Model) -> tuple[int, int]:
        """Entries and bytes."""
        row = self._db.execute("SELECT entries, bytes FROM models WHERE number = ?", (model.number,)).fetchone()
        return row or (0, 0)

    def last_use_ns(self, model: Model) -> int:
        """0 if there is nothing of it."""
        row = self._db.execute("SELECT MAX(used) FROM records WHERE model = ?", (model.number,)).fetchone()
        return row[0] or 0

    def entries(self, segment: int) -> list[Entry]:
        """All that lies in a segment, in order."""
        sql = f"SELECT {_COLUMNS} FROM records WHERE segment = ? ORDER BY offset"
        return [Entry._make(row) for row in self._db.execute(sql, (segment,))]

    def drop_model(self, model: Model) -> int:
        """Forget it; how many records."""
        self._db.execute("DELETE FROM sealed WHERE model = ?", (model.number,))
        return self._db.execute("DELETE FROM records WHERE model = ?", (model.number,)).rowcount

    def wipe(self) -> None:
        """Leave no deleted row readable in the write-ahead log."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
