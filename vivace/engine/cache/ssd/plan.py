"""How room is made, as a pure function: what to do next with the segments that are there.

Records are given up by age, exactly; only whole files give bytes back. So the oldest records lose their rows, files
without rows are removed, and what lives in files that are half dead moves together: at most one byte is written for
each byte that becomes free.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

DEAD_SHARE = 0.5
SMALL_SHARE = 0.25
MANY_SMALL = 8
HEADROOM_SHARE = 0.05


@dataclass(frozen=True)
class SegmentUse:
    """A segment that nobody appends to: bytes of the file, and of the records in it that have rows."""

    segment: int
    model: int
    size: int
    live: int


@dataclass(frozen=True)
class Remove:
    """Files without rows."""

    segments: list[int]


@dataclass(frozen=True)
class Merge:
    """Move what lives in these, all of one model, into a new file."""

    segments: list[int]


@dataclass(frozen=True)
class DropRecords:
    """Forget the oldest records, so many bytes of them."""

    nbytes: int


@dataclass(frozen=True)
class DropSegment:
    """Forget all that lies in the segment with the oldest record."""


Step = Remove | Merge | DropRecords | DropSegment


def next_step(
    segments: Sequence[SegmentUse], *, excess: int, segment_bytes: int, limit_bytes: int, may_write: bool
) -> Step | None:
    """What to do next; None when nothing is left to do.

    Args:
        excess: bytes that are too many; 0 or less if none.
        may_write: whether there is room on the disk to move records.
    """
    if empty := [each.segment for each in segments if not each.live]:
        return Remove(empty)
    if excess <= 0:
        return _merge_small(segments, segment_bytes) if may_write else None
    if not may_write:
        return DropSegment()
    half_dead = [each for each in segments if each.live <= each.size * DEAD_SHARE]
    if half_dead:
        return Merge(_together(half_dead, segment_bytes))
    return DropRecords(max(excess, int(limit_bytes * HEADROOM_SHARE)))


def _merge_small(segments: Sequence[SegmentUse], segment_bytes: int) -> Merge | None:
    """What many short runs of a server leave."""
    small = [each for each in segments if each.size <= segment_bytes * SMALL_SHARE]
    together = _together(small, segment_bytes) if small else []
    return Merge(together) if len(together) >= MANY_SMALL else None


def _together(segments: Sequence[SegmentUse], segment_bytes: int) -> list[int]:
    """Those of the model with the most dead bytes, worst first, that fit into one file."""
    by_model: defaultdict[int, list[SegmentUse]] = defaultdict(list)
    for each in segments:
        by_model[each.model].append(each)
    most_dead = max(by_model.values(), key=lambda group: sum(each.size - each.live for each in group))
    chosen: list[int] = []
    live = 0
    for each in sorted(most_dead, key=lambda each: each.live - each.size):
        live += each.live
        if chosen and live > segment_bytes:
            break
        chosen.append(each.segment)
    return chosen
