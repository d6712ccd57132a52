"""Records whose every byte follows from a number, so that anyone can say whether what was read is right."""

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path

from vivace.engine.cache.ssd import Entry, Part, Record, SsdTier

MODEL = "ab" * 32
OTHER_MODEL = "cd" * 32
LIMIT = 1 << 30


def key_of(n: int, chain: int = 0) -> bytes:
    return hashlib.blake2b(f"{chain}:{n}".encode(), digest_size=16).digest()


def payload_of(key: bytes, part: Part = "full", nbytes: int = 1000) -> bytes:
    return hashlib.shake_128(key + part.encode()).digest(nbytes)


def record(n: int, *, chain: int = 0, part: Part = "full", nbytes: int = 1000) -> Record:
    """Block `n` of a chain."""
    key = key_of(n, chain)
    parent = key_of(n - 1, chain) if n else b""
    return Record(key, part, parent, key * 4, payload_of(key, part, nbytes))


def is_right(entry: Entry, payload: bytes | memoryview) -> bool:
    return bytes(payload) == payload_of(entry.key, entry.part, entry.nbytes)


def open_tier(folder: Path, model: str = MODEL, limit_bytes: int = LIMIT, **options: object) -> SsdTier:
    return SsdTier(folder, model, limit_bytes, **{"free_floor_bytes": 0, **options})  # type: ignore[arg-type]


def store(tier: SsdTier, records: Iterable[Record]) -> None:
    for each in records:
        assert tier.put(each)
    assert tier.flush(20)


def read(tier: SsdTier, entries: Iterable[Entry]) -> list[bytes | None]:
    """As the reader's thread hands them over."""
    wanted, came, payloads = list(entries), threading.Event(), []

    def done(found: list[bytes | memoryview | None]) -> None:
        payloads.extend(None if each is None else bytes(each) for each in found)
        came.set()

    tier.read(wanted, done)
    assert came.wait(20)
    return payloads


def find(tier: SsdTier, records: Iterable[Record]) -> list[Entry]:
    return list(tier.lookup([each.key for each in records]).values())


def readable(tier: SsdTier, records: Iterable[Record]) -> int:
    """How many of these can be read; what is read is right."""
    entries = find(tier, records)
    found = [
        (entry, payload) for entry, payload in zip(entries, read(tier, entries), strict=True) if payload is not None
    ]
    assert all(is_right(*pair) for pair in found)
    return len(found)
