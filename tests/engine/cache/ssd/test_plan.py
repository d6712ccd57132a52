"""Every plan ends within the limit, gives up the fewest, and moves at most what it frees."""

from hypothesis import given
from hypothesis import strategies as st

from vivace.engine.cache.ssd.plan import DropRecords, DropSegment, Merge, Remove, SegmentUse, next_step

SEGMENT = 1000


def step(segments, excess, may_write=True):
    return next_step(segments, excess=excess, segment_bytes=SEGMENT, limit_bytes=10_000, may_write=may_write)


def use(segment, live, model=1, size=1000):
    return SegmentUse(segment, model, size, live)


def test_nothing_to_do():
    assert step([use(1, 100), use(2, 1000)], 0) is None
    assert step([], 0) is None


def test_files_without_rows_go_first():
    assert step([use(1, 0), use(2, 1000), use(3, 0)], 5000) == Remove([1, 3])
    assert step([use(1, 0)], 0) == Remove([1])


def test_half_dead_files_are_merged_before_records_are_dropped():
    assert step([use(1, 500), use(2, 900), use(3, 100)], 1) == Merge([3, 1])


def test_models_are_not_mixed():
    assert step([use(1, 400, model=1), use(2, 100, model=2), use(3, 450, model=1)], 1) == Merge([1, 3])


def test_what_is_merged_fits_one_file():
    assert step([use(1, 500), use(2, 450), use(3, 400)], 1) == Merge([3, 2])


def test_the_oldest_records_go_with_some_headroom():
    assert step([use(1, 900)], 10) == DropRecords(500)
    assert step([use(1, 900)], 3000) == DropRecords(3000)


def test_on_a_full_disk_nothing_is_moved():
    assert step([use(1, 100), use(2, 900)], 1, may_write=False) == DropSegment()
    assert step([use(n, 100, size=100) for n in range(9)], 0, may_write=False) is None


def test_many_small_files_are_merged():
    assert step([use(n, 100, size=110) for n in range(7)], 0) is None
    assert step([use(n, 100, size=110) for n in range(8)], 0) == Merge(list(range(8)))


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, SEGMENT)), max_size=20), st.integers(-2000, 20_000))
def test_room_is_made_in_the_end_moving_no_more_than_is_freed(files, excess):
    segments = {n: use(n, live, model) for n, (model, live) in enumerate(files)}
    before, moved = sum(each.size for each in segments.values()), 0
    for n in range(1000, 2000):
        freed = before - sum(each.size for each in segments.values())
        match step(list(segments.values()), excess - freed):
            case Remove(gone):
                for each in gone:
                    del segments[each]
            case Merge(merged):
                parts = [segments.pop(each) for each in merged]
                live = sum(each.live for each in parts)
                assert len({each.model for each in parts}) == 1
                segments[n] = SegmentUse(n, parts[0].model, live, live)
                moved += live if excess > freed else 0
            case DropRecords(nbytes):
                if not segments:
                    break
                for each in list(segments.values()):
                    lost = min(each.live, nbytes)
                    segments[each.segment] = SegmentUse(each.segment, each.model, each.size, each.live - lost)
                    nbytes -= lost
            case None:
                break
    freed = before - sum(each.size for each in segments.values())
    assert not segments or freed >= excess
    assert moved <= before
