"""Killed with -9 at random moments of writing, again and again in one folder."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engine.cache.ssd.builders import open_tier, readable, record
from vivace.engine.cache.ssd import Record
from vivace.engine.cache.ssd.folder import Folder
from vivace.engine.cache.ssd.manage import verify

ROUNDS = 50
LIMIT = 6 << 20
SEGMENT = 256 << 10
SIZES = {"limit_bytes": LIMIT, "segment_bytes": SEGMENT}


def block(n: int) -> Record:
    """Of conversations of 20 blocks each."""
    return record(n % 20, chain=n // 20, nbytes=1000 + n * 7919 % 9000)


def write_for_ever(folder: Path, first: int) -> None:
    """Put block after block; print up to where flush confirmed, and what was only put with the time it was."""
    tier = open_tier(folder, **SIZES)
    n = first
    while True:
        for _ in range(random.randint(1, 8)):
            while not tier.put(block(n)):
                time.sleep(0.001)
            n += 1
            print("put", n, time.monotonic(), flush=True)
        if random.random() < 0.3 and tier.flush(20):
            print("confirmed", n, flush=True)


def killed_after(folder: Path, first: int, seconds: float) -> tuple[int, int]:
    """Up to where the child wrote, and up to where that was confirmed or put more than a second before it died."""
    code = f"from tests.engine.cache.ssd.test_crash import *; write_for_ever(Path({str(folder)!r}), {first})"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    child.stdout.readline()  # it is writing
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    died = time.monotonic()
    lines = [line.split() for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    child.wait()
    put = [(int(line[1]), float(line[2])) for line in lines if line[0] == "put"]
    safe = [int(line[1]) for line in lines if line[0] == "confirmed"] + [n for n, at in put if at < died - 1.0]
    return max([first + 1, *(n for n, _ in put)]), max([first, *safe])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_confirmed_is_lost_and_nothing_wrong_is_read(tmp_path):
    random.seed(5)
    first = 0
    moments = [random.uniform(0, 0.4) if n % 10 else 1.6 for n in range(ROUNDS)]
    for seconds in moments:
        written, safe = killed_after(tmp_path, first, seconds)
        tier = open_tier(tmp_path, **SIZES)
        assert tier.flush(20)
        assert tier.problem is None
        newest = [block(n) for n in range(max(first, safe - 200), safe)]
        assert readable(tier, newest) == len(newest), (first, safe, written)
        everything = [block(n) for n in range(max(0, written - 2500), written + 20)]  # twice what fits
        assert readable(tier, everything) == len(tier.lookup([each.key for each in everything]))
        assert Folder(tmp_path).nbytes() <= LIMIT + SEGMENT
        assert tier.stats.corrupt == 0
        tier.close()
        assert verify(tmp_path).damaged == []
        first = written + 20
    assert first > 1000
