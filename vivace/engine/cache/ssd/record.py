"""One block's bytes as they lie in a segment: header, tokens, payload, each at a multiple of 64 bytes.

A record describes itself, so a segment can be read without the index, and a wrong index cannot make us use a record for
another: header and payload have checksums (CRC-32: 6.6 GB/s where blake2b gives 0.9), seeded by model and key.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from typing_extensions import Buffer  # of collections.abc from Python 3.12 on

Part = Literal["full", "window", "state"]
Bytes = bytes | memoryview
PARTS: tuple[Part, ...] = ("full", "window", "state")
KEY_BYTES = 16
ALIGN = 64
_HEADER = struct.Struct("<4sIIIQ16s16sBB6x")
_MAGIC = b"VKVR"
HEADER_BYTES = _HEADER.size
MOST_TOKEN_BYTES = 1 << 20


@dataclass(frozen=True)
class Record:
    """What is stored of one block.

    Attributes:
        key: 16 bytes, the chain hash of the block's tokens and all before them.
        part: what the payload holds of the block.
        parent: key of the block before; empty for the first.
        tokens: the block's own token ids, little-endian int32.
        payload: any contiguous buffer; kept, not copied, and not to change until it is written.
    """

    key: bytes
    part: Part
    parent: bytes
    tokens: bytes
    payload: "Buffer"

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES or len(self.parent) not in (0, KEY_BYTES) or self.part not in PARTS:
            raise ValueError("a record needs a key of 16 bytes, a parent of 16 or none, and a known part")
        if len(self.tokens) > MOST_TOKEN_BYTES:
            raise ValueError("a block has at most 262,144 tokens")

    @cached_property
    def view(self) -> memoryview:
        """The payload as bytes."""
        return memoryview(self.payload).cast("B")

    @property
    def nbytes(self) -> int:
        return self.view.nbytes

    @property
    def extent(self) -> int:
        """Bytes that the record takes in a segment."""
        return extent(len(self.tokens), self.nbytes)


class Entry(NamedTuple):
    """What the index knows of a record. (A named tuple: 1,600 of them are made while the engine waits.)

    Attributes:
        nbytes: of the payload.
        segment: number of the file; 0 while it waits to be written.
        offset: of its header in the file.
    """

    key: bytes
    part: Part
    parent: bytes
    tokens: bytes
    nbytes: int
    segment: int
    offset: int

    @property
    def extent(self) -> int:
        """Bytes that the record takes in its segment."""
        return extent(len(self.tokens), self.nbytes)


@dataclass(frozen=True)
class Model:
    """The namespace of keys."""

    fingerprint: str
    label: str = ""

    @cached_property
    def number(self) -> int:
        """61 bits that stand for the model in the index."""
        return int.from_bytes(hashlib.sha256(self.fingerprint.encode()).digest()[:8], "little") >> 3

    @cached_property
    def seed(self) -> int:
        """Where checksums begin, so that a record of another model never verifies."""
        return zlib.crc32(self.fingerprint.encode())


def padded(nbytes: int) -> int:
    return -(-nbytes // ALIGN) * ALIGN


def extent(token_bytes: int, nbytes: int) -> int:
    return padded(HEADER_BYTES + token_bytes) + padded(nbytes)


def encode(record: Record, model: Model) -> list[Bytes]:
    """The buffers to write, one after the other; the payload itself is among them."""
    payload_check = _payload_check(record.key, record.view, model)
    header_check = _header_check(_pack(record, payload_check, 0), record.tokens, model)
    head = _pack(record, payload_check, header_check)
    before = padded(HEADER_BYTES + len(record.tokens)) - HEADER_BYTES - len(record.tokens)
    after = padded(record.nbytes) - record.nbytes
    return [head + record.tokens + bytes(before), record.view, bytes(after)]


def _pack(record: Record, payload_check: int, header_check: int) -> bytes:
    sizes = len(record.tokens), record.nbytes
    part, has_parent = PARTS.index(record.part), bool(record.parent)
    return _HEADER.pack(_MAGIC, header_check, payload_check, *sizes, record.key, record.parent, part, has_parent)


def _header_check(head: bytes, tokens: Bytes, model: Model) -> int:
    return zlib.crc32(tokens, zlib.crc32(head[:4] + head[8:], model.seed))


def _payload_check(key: bytes, payload: Bytes, model: Model) -> int:
    return zlib.crc32(payload, zlib.crc32(key, model.seed))


class Header(NamedTuple):
    """A record's header with its tokens, verified."""

    key: bytes
    part: Part
    parent: bytes
    tokens: bytes
    nbytes: int
    payload_check: int

    def describes(self, entry: Entry) -> bool:
        return self[:5] == entry[:5]

    def payload_in(self, record: memoryview) -> memoryview:
        """The payload, in the bytes of the whole record."""
        start = padded(HEADER_BYTES + len(self.tokens))
        return record[start : start + self.nbytes]

    def verifies(self, payload: memoryview, model: Model) -> bool:
        return len(payload) == self.nbytes and _payload_check(self.key, payload, model) == self.payload_check


def token_bytes(head: Bytes) -> int:
    """How many bytes of tokens follow this header, by its own unverified word; 0 if it is none."""
    if len(head) < HEADER_BYTES:
        return 0
    claimed: int = _HEADER.unpack_from(head)[3]
    return claimed if claimed <= MOST_TOKEN_BYTES else 0


def decode_header(record: memoryview, model: Model) -> Header | None:
    """The header at the beginning of `record`; None if it is damaged, cut off or another model's."""
    if len(record) < HEADER_BYTES:
        return None
    magic, check, payload_check, n_tokens, nbytes, key, parent, part, has_parent = _HEADER.unpack_from(record)
    head, tokens = bytes(record[:HEADER_BYTES]), bytes(record[HEADER_BYTES : HEADER_BYTES + n_tokens])
    if magic != _MAGIC or len(tokens) != n_tokens or _header_check(head, tokens, model) != check:
        return None
    return Header(key, PARTS[part], parent if has_parent else b"", tokens, nbytes, payload_check)


def verified_payload(record: memoryview, entry: Entry, model: Model) -> memoryview | None:
    """The payload of the record that `entry` names, if these bytes are that record, whole and undamaged."""
    header = decode_header(record, model)
    if header is None or not header.describes(entry):
        return None
    payload = header.payload_in(record)
    return payload if header.verifies(payload, model) else None
