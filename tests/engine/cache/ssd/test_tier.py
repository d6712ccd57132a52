"""What the engine may rely on, while all is well."""

import array
import logging
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.engine.cache.ssd.builders import (
    OTHER_MODEL,
    find,
    is_right,
    key_of,
    open_tier,
    payload_of,
    read,
    readable,
    record,
    store,
)
from vivace.engine.cache.ssd import Record, SsdTier
from vivace.engine.cache.ssd.record import PARTS
from vivace.engine.cache.ssd.store import Store


def test_what_was_put_is_read_again(tier):
    store(tier, [record(n, nbytes=n * 37) for n in range(50)])
    assert readable(tier, [record(n) for n in range(60)]) == 50


def test_an_entry_tells_all_but_the_payload(tier):
    given = record(3)
    store(tier, [given])
    (entry,) = find(tier, [given])
    assert entry[:5] == (given.key, given.part, given.parent, given.tokens, given.nbytes)


def test_the_parts_of_a_block_are_kept_apart(tier):
    parts = [record(1, part=part) for part in PARTS]
    store(tier, parts)
    assert set(tier.lookup([key_of(1)])) == {(key_of(1), part) for part in PARTS}
    assert readable(tier, [record(1)]) == 3


def test_it_is_there_after_a_restart(opened):
    first = opened()
    store(first, map(record, range(20)))
    first.close()
    assert readable(opened(), map(record, range(20))) == 20


def test_closing_writes_what_waits(opened):
    first = opened()
    for n in range(200):
        assert first.put(record(n, nbytes=50_000))
    first.close()
    assert readable(opened(), map(record, range(200))) == 200


def test_other_processes_see_it_without_a_restart(opened):
    first, second = opened(), opened()
    store(first, [record(1)])
    assert readable(second, [record(1)]) == 1


def test_the_keys_of_another_model_do_not_match(opened):
    store(opened(), [record(1)])
    other = opened(model=OTHER_MODEL)
    assert find(other, [record(1)]) == []
    assert other.children(b"") == []
    store(other, [Record(key_of(1), "full", b"", b"", b"other")])
    assert read(other, find(other, [record(1)])) == [b"other"]


def test_an_entry_of_another_model_is_not_read(opened):
    mine, other = opened(), opened(model=OTHER_MODEL)
    store(mine, [record(1)])
    assert read(other, find(mine, [record(1)])) == [None]


@pytest.fixture
def stuck(monkeypatch):
    """The writer waits in its first write until told."""
    go, write = threading.Event(), Store.write

    def waiting(self, record):
        assert go.wait(20)
        return write(self, record)

    monkeypatch.setattr(Store, "write", waiting)
    yield go
    go.set()


def test_what_waits_to_be_written_is_found_and_read(tier, stuck):
    for n in range(3):
        assert tier.put(record(n))
    entries = find(tier, map(record, range(3)))
    assert [entry.segment for entry in entries] == [0, 0, 0]
    assert all(map(is_right, entries, read(tier, entries)))
    assert {entry.key for entry in tier.children(key_of(0))} == {key_of(1)}
    stuck.set()
    assert tier.flush(20)
    assert all(map(is_right, entries, read(tier, entries)))  # by entries from before they were written


def test_a_full_queue_refuses_and_counts(opened, stuck):
    tier = opened(queue_bytes=2500)
    assert [tier.put(record(n)) for n in range(4)] == [True, True, False, False]
    assert tier.put(record(1))  # it waits already
    assert (tier.stats.queued_bytes, tier.stats.dropped) == (2000, 2)
    stuck.set()
    assert tier.flush(20)
    assert tier.stats.queued_bytes == 0
    assert tier.put(record(2))


def test_what_is_there_is_not_written_again(opened):
    store(opened(), [record(1)])
    second = opened()
    store(second, [record(1), record(1)])
    assert (second.stats.entries, second.stats.written_bytes) == (1, 0)


def test_a_payload_may_be_any_buffer(tier):
    numbers = array.array("f", [1.0, 2.0, 3.0])
    store(tier, [Record(key_of(1), "full", b"", b"", numbers), Record(key_of(2), "state", key_of(1), b"", b"")])
    entries = [tier.lookup([key_of(1)])[key_of(1), "full"], tier.lookup([key_of(2)])[key_of(2), "state"]]
    assert read(tier, entries) == [numbers.tobytes(), b""]


@pytest.mark.parametrize("wrong", [{"key": b"short"}, {"parent": b"short"}, {"part": "swa"}])
def test_a_record_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="16 bytes"):
        Record(**{"key": key_of(1), "part": "full", "parent": b"", "tokens": b"", "payload": b"", **wrong})


def test_children_are_those_that_go_on_from_there(tier):
    branches = [Record(key_of(n, 1), "full", key_of(0), b"%d" % n, b"") for n in range(40)]
    store(tier, [record(0), *branches[:5]])
    assert {entry.tokens for entry in tier.children(key_of(0))} == {b"%d" % n for n in range(5)}
    store(tier, branches)
    assert len(tier.children(key_of(0))) == 32


def test_clearing_takes_this_model_only_and_its_files(opened):
    mine, sibling, other = opened(), opened(), opened(model=OTHER_MODEL)
    for tier in (mine, sibling, other):
        store(tier, [record(n, chain=int(tier is sibling)) for n in range(9)])
    assert readable(mine, map(record, range(9))) == readable(mine, [record(n, chain=1) for n in range(9)]) == 9
    assert mine.clear() > 2 * 9 * 1000
    assert find(mine, map(record, range(9))) == find(sibling, [record(n, chain=1) for n in range(9)]) == []
    assert readable(other, map(record, range(9))) == 9
    store(mine, [record(1)])
    store(sibling, [record(2)])
    assert readable(mine, map(record, range(9))) == 2


def test_clearing_leaves_no_tokens_in_the_index(opened, tmp_path):
    tier = opened()
    secret = b"what the prompt said"
    store(tier, [Record(key_of(n), "full", b"", secret, b"") for n in range(30)])
    tier.clear()
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and secret in path.read_bytes()]


def test_stats_count(tier):
    store(tier, [record(n, nbytes=100_000) for n in range(4)])
    assert readable(tier, map(record, range(6))) == 4
    stats = tier.stats
    assert (stats.entries, stats.hits, stats.misses, stats.missing, stats.corrupt) == (4, 4, 2, 0, 0)
    assert 400_000 < stats.nbytes < stats.folder_bytes < stats.limit_bytes
    assert stats.read_bytes_per_s > 0
    assert stats.problem == ""


def test_files_are_private(tier, tmp_path):
    store(tier, [record(1)])
    paths = list((tmp_path / "cache").rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in [tmp_path / "cache", *paths] if path.is_dir()} == {0o700}


def test_a_failing_taker_does_not_stop_the_reader(tier, caplog):
    store(tier, [record(1)])
    entries = find(tier, [record(1)])
    tier.read(entries, lambda payloads: [][1])
    with caplog.at_level(logging.ERROR):
        assert read(tier, entries) == [payload_of(key_of(1))]
    assert "failed" in caplog.text


def test_a_closed_tier_misses(tier):
    store(tier, [record(1)])
    entries = find(tier, [record(1)])
    tier.close()
    assert tier.lookup([key_of(1)]) == {}
    assert not tier.put(record(2))
    assert read(tier, entries) == [None]
    assert not tier.flush(1)


class AgainstDict(RuleBasedStateMachine):
    """A tier beside a dict that does the same."""

    numbers = st.integers(0, 12)
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.expected: dict[tuple[bytes, str], bytes] = {}
        self.tier = self.open()

    def open(self) -> SsdTier:
        return open_tier(self.folder, segment_bytes=5000)

    @rule(n=numbers, part=st.sampled_from(PARTS), nbytes=st.integers(0, 3000))
    def put(self, n, part, nbytes):
        given = record(n, part=part, nbytes=nbytes)
        assert self.tier.put(given)
        self.expected.setdefault((given.key, part), given.payload)

    @rule(wanted=st.lists(numbers))
    def look_up_and_read(self, wanted):
        keys = [key_of(n) for n in wanted]
        found = self.tier.lookup(keys)
        expected = {name: payload for name, payload in self.expected.items() if name[0] in keys}
        assert dict(zip(found, read(self.tier, found.values()), strict=True)) == expected
        self.tier.touch(found.values())

    @rule()
    def flush(self):
        assert self.tier.flush(20)

    @rule()
    def reopen(self):
        self.tier.close()
        self.tier = self.open()

    @rule()
    def clear(self):
        self.tier.clear()
        self.expected = {}

    @invariant()
    def nothing_went_wrong(self):
        stats = self.tier.stats
        assert (stats.problem, stats.corrupt, stats.missing, stats.dropped) == ("", 0, 0, 0)

    def teardown(self):
        self.tier.clear()
        self.tier.close()


def test_it_is_a_dict_on_disk(tmp_path):
    machine = type("Machine", (AgainstDict,), {"folder": tmp_path / "cache"})
    run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=25, deadline=None))
