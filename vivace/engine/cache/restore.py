"""What a prefix is put together from, and putting it together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vivace.engine.cache.chain import Chain, block_ends
from vivace.engine.cache.layout import Layout, Part
from vivace.engine.cache.match import Match, Needs
from vivace.engine.cache.snapshots import Snapshot


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
) -> None:
    """Bring caches that hold what the match's source gives to its position."""
    position = found.position
    rows: dict[Part, list[Any]] = {"full": [], "window": [], "state": []}
    for piece, payload in zip(wanted, payloads, strict=True):
        rows[piece.part].append(payload)
    if rows["full"]:
        layout.insert(caches, "full", found.from_source, position, rows["full"])
    if rows["window"]:
        layout.insert(caches, "window", needs.window_start(position), position, rows["window"])
    for state in rows["state"]:
        snapshot = state if isinstance(state, Snapshot) else Snapshot.decode(state)
        snapshot.put_back(caches)
