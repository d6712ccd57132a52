"""Files of about 32 MB that records of one model are appended to, by one process.

The owner holds a lock on the file as long as it appends, which the system takes back from a killed process: that is how
others know a file that nobody will go on with.
"""

import os
import secrets
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from vivace.engine.cache.ssd import disk
from vivace.engine.cache.ssd.record import (
    HEADER_BYTES,
    Bytes,
    Entry,
    Header,
    Model,
    Record,
    decode_header,
    encode,
    extent,
    token_bytes,
)

FORMAT = 1
SUFFIX = ".kv"
HEAD_BYTES = 512
_HEAD = struct.Struct("<8sIIHH")
_MAGIC = b"VIVACEKV"
_LABEL_BYTES = 200
_PER_OWNER = 1 << 16


def file_name(segment: int) -> str:
    return f"{segment // _PER_OWNER:012x}-{segment % _PER_OWNER:05d}{SUFFIX}"


def number_of(name: str) -> int | None:
    """The segment of this file name, if it is one."""
    owner, _, n = name.removesuffix(SUFFIX).partition("-")
    try:
        number = int(owner, 16) * _PER_OWNER + int(n)
    except ValueError:
        return None
    return number if file_name(number) == name and number < 1 << 63 else None


class Numbers:
    """New segment numbers that no other process has."""

    def __init__(self) -> None:
        self._next = 0

    def take(self) -> int:
        if self._next % _PER_OWNER == 0:
            self._next = (1 + secrets.randbelow((1 << 46) - 1)) * _PER_OWNER
        self._next += 1
        return self._next


class SegmentWriter:
    """A new segment of this process. Raises OSError."""

    def __init__(self, folder: Path, numbers: Numbers, model: Model) -> None:
        self.model = model
        self.number, self._fd = _create(folder, numbers)
        self.path = folder / file_name(self.number)
        self.size = 0
        try:
            self._append([_head(model)])
        except OSError:
            self.close()
            disk.remove(self.path)
            raise

    def write(self, record: Record) -> Entry:
        """Append it. After an error the segment has a torn end and takes no more."""
        offset = self._append(encode(record, self.model))
        return Entry(record.key, record.part, record.parent, record.tokens, record.nbytes, self.number, offset)

    def copy(self, record: bytes) -> int:
        """Append a record as it lay in another segment of the model; its offset here."""
        return self._append([record])

    def _append(self, buffers: Sequence[Bytes]) -> int:
        offset = self.size
        disk.append(self._fd, buffers)
        self.size += sum(map(len, buffers))
        return offset

    @property
    def is_empty(self) -> bool:
        return self.size <= HEAD_BYTES

    @property
    def is_removed(self) -> bool:
        """Whether somebody cleared it away meanwhile."""
        return disk.is_removed(self._fd)

    def sync(self) -> None:
        disk.sync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


def _create(folder: Path, numbers: Numbers) -> tuple[int, int]:
    """Number and open file of a new segment that is ours."""
    while True:
        number = numbers.take()
        fd = disk.create(folder / file_name(number))
        # Between these two calls another process may have taken it for an orphan.
        if disk.lock(fd) and not disk.is_removed(fd):
            return number, fd
        os.close(fd)


def _head(model: Model) -> bytes:
    fingerprint, label = model.fingerprint.encode()[:_LABEL_BYTES], model.label.encode()[:_LABEL_BYTES]
    text = fingerprint + label
    check = zlib.crc32(text, FORMAT)
    return (_HEAD.pack(_MAGIC, FORMAT, check, len(fingerprint), len(label)) + text).ljust(HEAD_BYTES, b"\0")


def read_model(fd: int) -> Model | None:
    """Whose records the file holds; None if it is damaged or of another format."""
    head = disk.read(fd, HEAD_BYTES, 0)
    if len(head) < HEAD_BYTES:
        return None
    magic, version, check, n_fingerprint, n_label = _HEAD.unpack_from(head)
    text = head[_HEAD.size : _HEAD.size + n_fingerprint + n_label]
    if (magic, version) != (_MAGIC, FORMAT) or zlib.crc32(text, FORMAT) != check:
        return None
    return Model(text[:n_fingerprint].decode(), text[n_fingerprint:].decode(errors="ignore"))


class Found(NamedTuple):
    """A record met while reading through a segment."""

    header: Header
    offset: int
    sound: bool


def scan(fd: int, model: Model, *, verify: bool) -> Iterator[Found]:
    """Its records up to the first that is cut off or whose header is damaged.

    Args:
        verify: read the payloads too and say whether they are sound; else all are taken to be.
    """
    size, offset = os.fstat(fd).st_size, HEAD_BYTES
    while (header := _header_at(fd, offset, model)) and offset + _extent(header) <= size:
        yield Found(header, offset, not verify or _is_sound(fd, offset, header, model))
        offset += _extent(header)


def _extent(header: Header) -> int:
    return extent(len(header.tokens), header.nbytes)


def _header_at(fd: int, offset: int, model: Model) -> Header | None:
    head = disk.read(fd, HEADER_BYTES, offset)
    return decode_header(memoryview(head + disk.read(fd, token_bytes(head), offset + HEADER_BYTES)), model)


def _is_sound(fd: int, offset: int, header: Header, model: Model) -> bool:
    record = memoryview(disk.read(fd, _extent(header), offset))
    return header.verifies(header.payload_in(record), model)
