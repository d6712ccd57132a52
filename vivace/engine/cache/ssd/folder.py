"""The cache folder that all models and processes share: what lies where, its format, its lock, its size."""

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from vivace.engine.cache.ssd import disk
from vivace.engine.cache.ssd.segment import FORMAT, file_name, number_of

logger = logging.getLogger(__name__)


class UnusableFolderError(OSError):
    """The folder cannot serve as a cache; the message says why."""


class Folder:
    """Holds `format`, `lock`, `index.sqlite` (with SQLite's -wal and -shm) and `segments/`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.segments = path / "segments"
        self.index = path / "index.sqlite"
        self._format = path / "format"

    def prepare(self) -> None:
        """Make it, and empty it if an older version wrote it. Raises OSError."""
        disk.make_folder(self.path)
        if self._read_format() != FORMAT:
            with self.lock(timeout_s=5) as held:
                if held:
                    self._migrate()
        disk.make_folder(self.segments)

    def _migrate(self) -> None:
        found = self._read_format()
        if found > FORMAT:
            raise UnusableFolderError(f"a newer version of Vivace wrote it (format {found}, this one knows {FORMAT})")
        if found < FORMAT and (self.index.exists() or self.segments.exists()):
            logger.warning("SSD cache: %s has the older format %d and is emptied", self.path, found)
            self.remove_index()
            for segment in self.files():
                disk.remove(self.segment(segment))
        self._write_format()

    def _read_format(self) -> int:
        """0 if nothing readable says."""
        try:
            return int(self._format.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _write_format(self) -> None:
        new = self._format.with_suffix(f".{os.getpid()}")
        disk.remove(new)
        fd = disk.create(new)
        try:
            disk.append(fd, [str(FORMAT).encode()])
        finally:
            os.close(fd)
        new.replace(self._format)

    @contextlib.contextmanager
    def lock(self, timeout_s: float) -> Iterator[bool]:
        """Alone among all processes, for what moves or removes files; False if others kept it all the time."""
        fd = disk.open_file(self.path / "lock", create=True)
        try:
            yield _wait_for(fd, timeout_s)
        finally:
            os.close(fd)

    def segment(self, number: int) -> Path:
        return self.segments / file_name(number)

    def files(self) -> dict[int, int]:
        """Size by number of all segments."""
        sizes = {}
        with os.scandir(self.segments) as found:
            for each in found:
                number = number_of(each.name)
                if number is not None:
                    with contextlib.suppress(FileNotFoundError):
                        sizes[number] = each.stat().st_size
        return sizes

    def nbytes(self) -> int:
        """All that lies here."""
        return sum(self.files().values()) + sum(_size(path) for path in self._index_files())

    def free_bytes(self) -> int:
        """What the file system has left."""
        return disk.free_bytes(self.path)

    def remove_index(self) -> None:
        for path in self._index_files():
            disk.remove(path)

    def _index_files(self) -> list[Path]:
        return [self.index.with_name(self.index.name + suffix) for suffix in ("", "-wal", "-shm")]


def _wait_for(fd: int, timeout_s: float) -> bool:
    until = time.monotonic() + timeout_s
    while not disk.lock(fd):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
