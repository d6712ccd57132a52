"""An engine that is killed while it writes: the next one has what was kept, and never anything wrong."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.harness import Harness, reference
from tests.random_models import VOCAB, random_checkpoint
from vivace.engine.cache.ssd import SsdTier
from vivace.engine.cache.ssd.manage import folder_use, verify

LIMIT = 3_000_000  # bytes: some ten conversations, so that there is eviction too
ROUNDS = 4

_CHILD = """
import sys
from pathlib import Path
from tests.engine.cache.test_kill import conversation, tier
from tests.engine.harness import Harness
from vivace.engine.models import load

model, folder = Path(sys.argv[1]), Path(sys.argv[2])
harness = Harness(load(model, "float32", lambda _: None), disk=tier(folder))
for i in range(10_000):
    harness.answer(conversation(i), 4)
    print(i, flush=True)
"""


def conversation(i: int) -> list[int]:
    """Ten of them share a beginning."""
    start = random.Random(i // 10).choices(range(VOCAB), k=200)
    return [*start, *random.Random(-1 - i).choices(range(VOCAB), k=150)]


def tier(folder: Path) -> SsdTier:
    return SsdTier(folder, "hybrid", LIMIT, free_floor_bytes=0, segment_bytes=300_000)


@pytest.mark.slow
def test_a_killed_engine_leaves_what_the_next_one_can_trust(loaded, tmp_path):
    model = random_checkpoint(tmp_path / "model", "qwen3_5")
    folder = tmp_path / "cache"
    rng = random.Random(5)
    for _ in range(ROUNDS):
        last = _run_and_kill(model, folder, rng.uniform(1.0, 2.5))
        cache = tier(folder)
        harness = Harness(loaded("qwen3_5"), disk=cache)
        kept = [i for i in range(last + 2) if position_of(harness, i) > 300]
        assert kept  # whole conversations are on the disk
        for i in [*kept[-3:], last + 2]:
            answer = harness.answer(conversation(i), 4)
            assert answer == reference(loaded("qwen3_5"), conversation(i), 4)[0]
            assert i not in kept or harness.finished["alone"].cached_tokens > 300
        harness.loop._prefix.close()
        assert verify(folder).damaged == []
        assert folder_use(folder).nbytes <= LIMIT


def position_of(harness: Harness, i: int) -> int:
    """How much of a conversation the next request would find."""
    prefix = harness.loop._prefix
    return prefix._find(prefix._chain(conversation(i), ""), "", []).match.position


def _run_and_kill(model: Path, folder: Path, after_s: float) -> int:
    """The last conversation that the child finished before it was killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(model), str(folder)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert child.stdout is not None
    last = int(child.stdout.readline())
    try:
        child.wait(after_s)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().split()
    child.wait()
    return int(rest[-1]) if rest else last
