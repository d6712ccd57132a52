"""The folder's limit, who is evicted, and several processes on one folder."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from tests.engine.cache.ssd.builders import (
    MODEL,
    OTHER_MODEL,
    find,
    is_right,
    key_of,
    open_tier,
    read,
    readable,
    record,
    store,
)
from vivace.engine.cache.ssd import disk, recency, writer
from vivace.engine.cache.ssd.folder import Folder
from vivace.engine.cache.ssd.manage import verify
from vivace.engine.cache.ssd.recency import Recency

KB = 1 << 10
MB = 1 << 20
SMALL = {"limit_bytes": 4 * MB, "segment_bytes": 256 * KB}


@pytest.fixture
def precise(monkeypatch):
    """Uses are written at once, not once a minute."""
    monkeypatch.setattr(recency, "FRESH_NS", 0)


def chain(number: int, blocks: int = 10) -> list:
    return [record(n, chain=number, nbytes=20_000) for n in range(blocks)]


def test_the_limit_holds_and_the_newest_stay(opened, tmp_path):
    tier = opened(**SMALL)
    for number in range(60):
        store(tier, chain(number))
        assert Folder(tmp_path / "cache").nbytes() <= 4 * MB + 256 * KB
    kept = [number for number in range(60) if readable(tier, chain(number)) == 10]
    assert kept[-10:] == list(range(50, 60))
    assert tier.stats.evicted > 300
    assert verify(tmp_path / "cache").damaged == []


def test_what_is_used_stays_wherever_it_lies(opened, precise):
    tier = opened(**SMALL)
    hot = [record(5, chain=number, nbytes=20_000) for number in range(0, 15, 3)]  # one here and there in old segments
    for number in range(15):
        store(tier, [each for each in chain(number) if each.key != key_of(5, number) or number % 3])
    store(tier, hot)
    for number in range(15, 80):
        store(tier, chain(number))
        tier.touch(find(tier, hot))
    assert readable(tier, hot) == len(hot)


def test_the_end_of_a_chain_goes_before_its_beginning(opened):
    tier = opened(**SMALL)
    for number in range(40):
        store(tier, chain(number, 30))
        for each in range(number + 1):
            there = {entry.key for entry in find(tier, chain(each, 30))}
            assert there == {key_of(n, each) for n in range(len(there))}


def test_one_record_that_is_too_large_is_refused(opened):
    tier = opened(**SMALL)
    assert not tier.put(record(1, nbytes=2 * MB))
    assert tier.put(record(2, nbytes=600 * KB))  # larger than a segment
    assert tier.flush(20)
    assert readable(tier, [record(2)]) == 1


def test_all_models_share_the_limit(opened, tmp_path):
    mine, other = opened(**SMALL), opened(model=OTHER_MODEL, **SMALL)
    store(other, chain(0))
    for number in range(60):
        store(mine, chain(number))
        assert Folder(tmp_path / "cache").nbytes() <= 4 * MB + 2 * 256 * KB
    assert find(other, chain(0)) == []


def test_a_smaller_limit_is_kept_from_the_start(opened, tmp_path):
    first = opened()
    store(first, [each for number in range(30) for each in chain(number)])
    first.close()
    assert Folder(tmp_path / "cache").nbytes() > 5 * MB
    assert opened(**SMALL).flush(20)
    assert Folder(tmp_path / "cache").nbytes() <= 4 * MB


def test_many_small_segments_become_one(opened, tmp_path):
    for number in range(12):
        tier = opened()
        store(tier, chain(number, 2))
        tier.close()
    assert opened().flush(20)
    assert len(Folder(tmp_path / "cache").files()) < 8
    assert sum(readable(opened(), chain(number, 2)) for number in range(12)) == 24


def test_an_entry_from_before_a_merge_is_still_read(opened):
    for number in range(7):
        tier = opened()
        store(tier, chain(number, 2))
        tier.close()
    reader = opened()
    store(reader, chain(20, 2))
    before = {number: find(reader, chain(number, 2)) for number in range(7)}
    eighth = opened()
    store(eighth, chain(7, 2))
    eighth.close()
    assert opened().flush(20)
    after = {number: find(reader, chain(number, 2)) for number in range(7)}
    assert before != after
    for entries in before.values():
        assert all(map(is_right, entries, read(reader, entries)))


def test_what_a_dead_process_left_unsealed_is_taken_in(opened, tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(tmp_path / "cache",))
    process.start()
    process.join(60)
    tier = opened()
    assert tier.flush(20)
    assert readable(tier, map(record, range(20))) == 20  # also those that the index never had
    assert tier._store._index.sealed()


def _write_and_die(folder: Path) -> None:
    writer.COMMIT_S = 1000
    tier = open_tier(folder)
    store(tier, map(record, range(10)))
    for n in range(10, 20):
        tier.put(record(n))
    while tier.stats.queued_bytes:
        time.sleep(0.01)
    os._exit(9)


def test_a_file_of_nobody_is_removed(opened, tmp_path):
    tier = opened()
    store(tier, [record(1)])
    junk = tmp_path / "cache" / "segments" / "0000deadbeef-00001.kv"
    os.close(disk.create(junk))
    tier.close()
    assert opened().flush(20)
    assert not junk.exists()


def test_a_used_chain_is_written_once_a_minute(tier):
    store(tier, chain(0, 200))
    assert tier.flush(20)
    index = tier._index
    with index.transaction():
        uses = Recency(index, tier._model, time.time_ns())
        for each in chain(0, 200):
            uses.touch(each.key, "full")
        assert uses._changed == []
        later = Recency(index, tier._model, time.time_ns() + 2 * recency.FRESH_NS)
        later.touch(key_of(199), "full")
        assert len(later._changed) == 200
        times = [used for _, _, used in later._changed]
        assert times == sorted(times, reverse=True)


SECONDS = 4


@pytest.mark.slow
def test_processes_that_fill_and_read_one_folder_keep_the_limit_and_never_read_wrong_bytes(tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    arguments = [(tmp_path / "cache", MODEL, 0), (tmp_path / "cache", MODEL, 1), (tmp_path / "cache", OTHER_MODEL, 2)]
    processes = [context.Process(target=_fill_and_read, args=(*each, results)) for each in arguments]
    for process in processes:
        process.start()
    folder, most = Folder(tmp_path / "cache"), 0
    while any(process.is_alive() for process in processes):
        if folder.segments.exists():
            most = max(most, folder.nbytes())
        time.sleep(0.01)
    found = [results.get(timeout=10) for _ in processes]
    assert all(problem == "" and right > 100 for right, problem in found), found
    assert sum(process.exitcode or 0 for process in processes) == 0
    assert most <= 4 * MB + 3 * 256 * KB
    assert verify(tmp_path / "cache").damaged == []


def _fill_and_read(folder: Path, model: str, number: int, results: "multiprocessing.Queue") -> None:
    tier = open_tier(folder, model, **SMALL)
    until, right, n = time.monotonic() + SECONDS, 0, number * 1000
    while time.monotonic() < until:
        for each in chain(n):
            tier.put(each)
        right += readable(tier, [each for old in range(max(0, n - 5), n + 1) for each in chain(old)])
        right += readable(tier, chain(1000 * (1 - number) + n % 1000)) if number < 2 else 0
        n += 1
    assert tier.flush(20)
    problem = tier.stats.problem
    tier.close()
    results.put((right, problem))
