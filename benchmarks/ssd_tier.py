"""The SSD tier alone, on made-up bytes: what the engine thread waits for, and what goes through the two IO threads.

    python benchmarks/ssd_tier.py [FOLDER]

FOLDER (default: a temporary one) decides which disk is measured. Reading is from the page cache unless the folder is
larger than memory.
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from vivace.engine.cache.ssd import Record, SsdTier

ROWS = 100_000
KEYS = 1_600
BLOCK_BYTES = 1 << 20
BLOCKS = 400


def timed(action: Callable[[], object], times: int = 15) -> tuple[float, float]:
    """Median and worst, in ms."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        taken.append((time.perf_counter() - begun) * 1e3)
    return median(taken), max(taken)


def blocks(number: int, nbytes: int) -> list[Record]:
    """A chain with payloads of random bytes, all of the same buffer."""
    keys = [os.urandom(16) for _ in range(number)]
    payload = os.urandom(nbytes)
    parents = [b"", *keys[:-1]]
    return [Record(key, "full", parent, os.urandom(256), payload) for key, parent in zip(keys, parents, strict=True)]


def put_all(tier: SsdTier, records: list[Record]) -> None:
    """As fast as the writer takes them, and until all is on the disk."""
    for record in records:
        while not tier.put(record):
            time.sleep(0.001)
    assert tier.flush(600)


def measure_lookup(folder: Path) -> None:
    tier = SsdTier(folder, "a" * 64, 8 << 30, free_floor_bytes=0)
    records = blocks(ROWS, 64)
    begun = time.perf_counter()
    put_all(tier, records)
    print(f"write {ROWS} records of 64 bytes: {(time.perf_counter() - begun) / ROWS * 1e6:.0f} us each")
    chain = [record.key for record in records[ROWS // 2 : ROWS // 2 + KEYS]]
    there, missing = timed(lambda: tier.lookup(chain)), timed(lambda: tier.lookup([os.urandom(16) for _ in chain]))
    print(f"lookup {KEYS} of {ROWS}: there {there[0]:.1f} ms (worst {there[1]:.1f}), missing {missing[0]:.1f} ms")
    print(f"children: {timed(lambda: tier.children(chain[5]))[0] * 1e3:.0f} us")
    print(f"stats: {timed(lambda: tier.stats)[0]:.2f} ms")
    tier.close()
    begun = time.perf_counter()
    tier = SsdTier(folder, "a" * 64, 8 << 30, free_floor_bytes=0)
    print(f"open with {ROWS} rows: {(time.perf_counter() - begun) * 1e3:.1f} ms, first lookup", end=" ")
    print(f"{timed(lambda: tier.lookup(chain), 1)[0]:.1f} ms")
    tier.clear()
    tier.close()


def measure_transfer(folder: Path) -> None:
    tier = SsdTier(folder, "b" * 64, 8 << 30, free_floor_bytes=0)
    tier.flush(60)
    records = blocks(BLOCKS, BLOCK_BYTES)
    taken = []
    for record in records[: (200 << 20) // BLOCK_BYTES]:
        begun = time.perf_counter()
        tier.put(record)
        taken.append((time.perf_counter() - begun) * 1e6)
    print(f"put: median {median(taken):.1f} us, worst {max(taken):.0f} us")
    begun = time.perf_counter()
    put_all(tier, records)
    print(
        f"write {BLOCKS} blocks of 1 MB, synced: {BLOCKS * BLOCK_BYTES / (time.perf_counter() - begun) / 1e6:.0f} MB/s"
    )
    entries = list(tier.lookup([record.key for record in records]).values())
    begun, came = time.perf_counter(), threading.Event()
    for start in range(0, BLOCKS, 16):
        tier.read(entries[start : start + 16], lambda payloads: came.set() if None in payloads else None)
    tier.read(entries[:1], lambda payloads: came.set())
    came.wait(600)
    print(f"read: {BLOCKS * BLOCK_BYTES / (time.perf_counter() - begun) / 1e6:.0f} MB/s", end=", ")
    print(f"the tier says {tier.stats.read_bytes_per_s / 1e6:.0f} MB/s; missing {tier.stats.missing}")
    tier.close()


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as folder:
        measure_lookup(Path(folder) / "rows")
        measure_transfer(Path(folder) / "blocks")


if __name__ == "__main__":
    main()
