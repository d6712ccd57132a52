"""Every call to the operating system that can fail because of the disk. Tests let them fail here."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path


def make_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def create(path: Path) -> int:
    """A new file that only its user may read; FileExistsError if there is one."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)


def open_file(path: Path, *, create: bool = False) -> int:
    return os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)


def append(fd: int, buffers: Sequence[bytes | memoryview]) -> None:
    """Write all of them where the file stands."""
    left = [memoryview(buffer) for buffer in buffers]
    while left:
        written = os.writev(fd, left)
        while left and written >= left[0].nbytes:
            written -= left.pop(0).nbytes
        if left:
            left[0] = left[0][written:]


def read(fd: int, nbytes: int, offset: int) -> bytes:
    """Up to `nbytes`; less only at the end of the file."""
    data = os.pread(fd, nbytes, offset)
    if len(data) == nbytes or not data:
        return data
    pieces = [data]
    while data and sum(map(len, pieces)) < nbytes:
        done = sum(map(len, pieces))
        data = os.pread(fd, nbytes - done, offset + done)
        pieces.append(data)
    return b"".join(pieces)


def sync(fd: int) -> None:
    """To the disk. (Not F_FULLFSYNC on a Mac, 20 times slower: what its own cache loses, checksums find.)"""
    os.fsync(fd)


def lock(fd: int) -> bool:
    """Whether the file is ours now; it is until it is closed or the process ends, however it ends."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_removed(fd: int) -> bool:
    """Whether an open file no longer has a name."""
    return os.fstat(fd).st_nlink == 0


def remove(path: Path) -> int:
    """Bytes freed; 0 if it is gone already."""
    with contextlib.suppress(FileNotFoundError):
        nbytes = path.stat().st_size
        path.unlink()
        return nbytes
    return 0


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def total_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).total
