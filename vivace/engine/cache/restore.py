"""What a prefix is put together from, and putting it together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vivace.engine.cache.chain import BLOCK, Chain, block_ends
from vivace.engine.cache.layout import Layout, Part
from vivace.engine.cache.match import Match, Needs
from vivace.engine.cache.snapshots import Snapshot

PIECE_BYTES = 8 << 20  # put in place in about 5 ms


@dataclass(frozen=True)
class Piece:
    """A part of the block that ends at `end`, whose key is `key`."""

    part: Part
    end: int
    key: bytes


def pieces(chain: Chain, found: Match, needs: Needs) -> list[Piece]:
    """The stored parts that a match asks for, by part and position."""
    position = found.position
    wanted: list[Piece] = []
    if needs.full:
        wanted += [Piece("full", end, chain.key_at(end)) for end in block_ends(found.from_source, position)]
    if needs.window and not found.windows_from_source:
        wanted += [
            Piece("window", end, chain.key_at(end)) for end in block_ends(needs.window_start(position), position)
        ]
    if needs.state and position:
        wanted.append(Piece("state", position, chain.key_at(position)))
    return wanted


def put_together(
    layout: Layout, needs: Needs, found: Match, wanted: Sequence[Piece], payloads: Sequence[Any], caches: Sequence[Any]
) -> Iterator[int]:
    """Bring caches that hold what the match's source gives to its position, piece by piece: the tokens it has come to.

    Pieces let others go on in between, and are faster than all at once: their buffers are used again, still warm.
    """
    position = found.position
    rows: dict[Part, list[Any]] = {"full": [], "window": [], "state": []}
    for piece, payload in zip(wanted, payloads, strict=True):
        rows[piece.part].append(payload)
    parts: tuple[tuple[Part, int], ...] = (("full", found.from_source), ("window", needs.window_start(position)))
    for part, start in parts:
        for at, end, some in _groups(start, position, rows[part]):
            layout.insert(caches, part, at, end, some)
            yield end
    for state in rows["state"]:
        snapshot = state if isinstance(state, Snapshot) else Snapshot.decode(state)
        snapshot.put_back(caches)


def nbytes_of_rows(payloads: Sequence[Any]) -> int:
    """Of what has to be copied; snapshots need not be."""
    return sum(memoryview(row).nbytes for row in payloads if not isinstance(row, Snapshot))


def _groups(start: int, end: int, rows: list[Any]) -> Iterator[tuple[int, int, list[Any]]]:
    """The rows that cover [start, end) in groups of about PIECE_BYTES, each with the positions that it covers."""
    count = max(1, PIECE_BYTES // memoryview(rows[0]).nbytes) if rows else 1
    for i in range(0, len(rows), count):
        some = rows[i : i + count]
        yield start + i * BLOCK, min(start + (i + len(some)) * BLOCK, end), some
