"""Whatever happens to the folder: a miss and a log line, never wrong bytes, never an exception."""

import errno
import logging
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.engine.cache.ssd.builders import MODEL, find, is_right, key_of, open_tier, read, readable, record, store
from vivace.engine.cache.ssd import disk, writer
from vivace.engine.cache.ssd.manage import verify
from vivace.engine.cache.ssd.record import ALIGN, HEADER_BYTES, Record
from vivace.engine.cache.ssd.segment import HEAD_BYTES

RECORDS = [record(n) for n in range(20)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With 20 records in one segment, closed."""
    tier = open_tier(tmp_path / "cache")
    store(tier, RECORDS)
    tier.close()
    return tmp_path / "cache"


def segment_in(folder: Path) -> Path:
    (path,) = (folder / "segments").iterdir()
    return path


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


@pytest.fixture
def reopened(folder):
    tiers = []

    def opener(**options):
        tiers.append(open_tier(folder, **options))
        assert tiers[-1].flush(20)
        return tiers[-1]

    yield opener
    for tier in tiers:
        tier.close()


def offset_of(folder: Path, n: int) -> int:
    tier = open_tier(folder)
    (entry,) = find(tier, [RECORDS[n]])
    tier.close()
    return entry.offset


@pytest.mark.parametrize("within", [0, 5, 20, 30, HEADER_BYTES + 3, 2 * ALIGN, 2 * ALIGN + 999])
def test_a_flipped_bit_costs_that_record_only(folder, reopened, caplog, within):
    flip(segment_in(folder), offset_of(folder, 7) + within)
    assert len(verify(folder).damaged) == 1
    tier = reopened()
    assert readable(tier, RECORDS) == 19
    assert tier.flush(20)
    assert len(find(tier, RECORDS)) == 19
    assert tier.stats.corrupt == 1
    assert "damaged" in caplog.text
    store(tier, [RECORDS[7]])
    assert readable(tier, RECORDS) == 20


@pytest.mark.parametrize("left", [0, 3, 300, 5000, 20_000])
def test_a_shortened_segment_has_what_is_left(folder, reopened, left):
    path = segment_in(folder)
    os.truncate(path, left)
    tier = reopened()
    assert readable(tier, RECORDS) == max(0, (left - HEAD_BYTES) // RECORDS[0].extent)
    store(tier, RECORDS)
    assert readable(tier, RECORDS) == 20


def test_a_deleted_segment_is_a_miss(folder, reopened):
    tier = reopened()
    entries = find(tier, RECORDS)
    segment_in(folder).unlink()
    assert read(tier, entries) == [None] * 20
    assert tier.flush(20)
    assert find(tier, RECORDS) == []
    assert tier.stats.corrupt == 0


def test_another_file_under_a_segments_name_is_not_believed(folder, reopened):
    path = segment_in(folder)
    other = open_tier(folder.parent / "other", "ef" * 32)
    store(other, [Record(each.key, "full", each.parent, each.tokens, bytes(1000)) for each in RECORDS])
    other.close()
    shutil.copy(segment_in(folder.parent / "other"), path)
    assert readable(reopened(), RECORDS) == 0


GARBAGE = {
    "garbage": lambda path: path.write_bytes(os.urandom(50_000)),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, 10_000),
    "deleted": lambda path: path.unlink(),
    "other tables": lambda path: (path.unlink(), sqlite3.connect(path).execute("CREATE TABLE records (x)")),
}


@pytest.mark.parametrize("damage", GARBAGE.values(), ids=GARBAGE)
def test_a_lost_index_is_made_anew_from_the_segments(folder, reopened, damage):
    damage(folder / "index.sqlite")
    tier = reopened()
    assert readable(tier, RECORDS) == 20
    store(tier, [record(30)])
    assert tier.stats.entries == 21


@pytest.mark.parametrize("damage", GARBAGE.values(), ids=GARBAGE)
def test_an_index_lost_while_open_is_made_anew(reopened, folder, damage):
    tier = reopened()
    damage(folder / "index.sqlite")
    find(tier, RECORDS)  # notices
    store(tier, [record(30)])
    assert readable(tier, [*RECORDS, record(30)]) == 21


def test_bits_flipped_anywhere_in_the_index_never_give_wrong_bytes(folder):
    path = folder / "index.sqlite"
    whole = path.read_bytes()
    for offset in range(24, len(whole), 397):
        flip(path, offset)
        tier = open_tier(folder)
        assert readable(tier, RECORDS) <= 20
        store(tier, RECORDS)
        assert readable(tier, RECORDS) <= 20
        tier.close()
        for left in folder.glob("index.sqlite-*"):
            left.unlink()
        path.write_bytes(whole)


def test_a_removed_folder_comes_back(reopened, folder):
    tier = reopened()
    store(tier, [record(30)])
    shutil.rmtree(folder)
    assert readable(tier, RECORDS) == 0
    store(tier, RECORDS)
    assert readable(tier, RECORDS) == 20


def test_an_older_format_is_emptied(folder, reopened, caplog):
    (folder / "format").write_text("0")
    tier = reopened()
    assert find(tier, RECORDS) == []
    assert not list((folder / "segments").iterdir())
    assert "older format" in caplog.text
    store(tier, RECORDS)
    assert readable(tier, RECORDS) == 20


def test_a_newer_format_is_left_alone(folder, caplog):
    (folder / "format").write_text("99")
    tier = open_tier(folder)
    assert "newer" in tier.problem
    assert tier.stats.problem == tier.problem
    assert find(tier, RECORDS) == []
    assert segment_in(folder).stat().st_size > 20_000
    assert "SSD cache is off" in caplog.text


def test_a_folder_that_cannot_be_made_is_a_problem_not_an_error(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    tier = open_tier(tmp_path / "file" / "cache")
    assert "Not a directory" in tier.problem
    assert not tier.put(record(1))
    assert read(tier, []) == []
    assert tier.clear() == 0
    tier.touch([])
    tier.close()
    assert len(caplog.records) == 1


def failing(error: int):
    def fail(*args: object) -> int:
        raise OSError(error, os.strerror(error))

    return fail


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
def test_a_read_only_folder_is_a_problem(tmp_path, monkeypatch, error):
    monkeypatch.setattr(disk, "make_folder", failing(error))
    assert os.strerror(error) in open_tier(tmp_path / "cache").problem


@pytest.mark.parametrize("call", ["append", "create", "sync"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failing_disk_stops_writing_for_a_while(tmp_path, monkeypatch, caplog, call, error):
    tier = open_tier(tmp_path / "cache")
    store(tier, RECORDS[:5])
    tier.clear()
    store(tier, RECORDS[:5] if call == "append" else [])
    with monkeypatch.context() as patch:
        patch.setattr(disk, call, failing(error))
        assert tier.put(record(30))
        tier.flush(20)
        assert os.strerror(error) in tier.stats.problem
        assert not tier.put(record(31))
        assert tier.stats.dropped > 0
        assert len([each for each in caplog.records if each.levelno == logging.WARNING]) == 1
    entries = find(tier, RECORDS)
    assert len(entries) == (5 if call == "append" else 0)
    assert all(map(is_right, entries, read(tier, entries)))
    tier._writer._paused_until = 0.0
    store(tier, RECORDS)
    assert readable(tier, RECORDS) == 20
    assert tier.stats.problem == ""
    tier.close()
    assert verify(tmp_path / "cache").damaged == []


def test_a_torn_write_is_not_gone_on_from(tmp_path, monkeypatch):
    tier = open_tier(tmp_path / "cache")
    store(tier, RECORDS[:5])
    whole = disk.append

    def torn(fd, buffers):
        whole(fd, [buffers[0][:40]])
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "append", torn)
        tier.put(record(30))
        tier.flush(20)
    tier._writer._paused_until = 0.0
    store(tier, RECORDS)
    assert readable(tier, RECORDS) == 20
    tier.close()
    (tmp_path / "cache" / "index.sqlite").unlink()
    again = open_tier(tmp_path / "cache")
    assert again.flush(20)
    assert readable(again, RECORDS) == 20
    again.close()


def test_a_busy_index_delays_but_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "COMMIT_S", 0.05)
    tier = open_tier(tmp_path / "cache")
    assert tier.flush(20)
    tier._store._index._wait_s = 0.01
    tier._store._index.close()
    other = sqlite3.connect(tmp_path / "cache" / "index.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert tier.put(record(1))
    assert not tier.flush(5)
    assert readable(tier, [record(1)]) == 1
    other.execute("COMMIT")
    other.close()
    assert tier.flush(20)
    tier.close()
    again = open_tier(tmp_path / "cache")
    assert readable(again, [record(1)]) == 1
    again.close()


def test_below_the_free_space_floor_nothing_is_written(tmp_path, monkeypatch):
    free = 10 << 20
    monkeypatch.setattr(disk, "free_bytes", lambda folder: free)
    tier = open_tier(tmp_path / "cache", free_floor_bytes=1 << 20, segment_bytes=10_000)
    store(tier, RECORDS)
    assert readable(tier, RECORDS) == 20
    free = 1 << 19  # others filled the disk
    tier.put(record(30))
    assert tier.flush(20)
    assert len(find(tier, RECORDS)) == 0  # evicted, and still too little
    tier.put(record(31))
    tier.flush(20)
    assert "no room" in tier.stats.problem
    assert find(tier, [record(31)]) == []
    tier.close()


def test_the_names_of_models_are_no_keys(folder):
    tier = open_tier(folder, MODEL[:-1] + "c")
    assert find(tier, RECORDS) == []
    assert tier.lookup([key_of(1)]) == {}
    tier.close()
