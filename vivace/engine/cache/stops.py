"""Where prefill stops to keep what cannot be cut shorter later: recurrent state, and the windows of sliding layers."""

from vivace.engine.scheduler import CELL, SHORTEST
from vivace.protocol import Generate

EVERY = 2048  # tokens between snapshots of a long prefill, beside the positions that the gateway names


def aligned(position: int) -> int:
    """The place at or before `position` where a chunk may end."""
    return position // CELL * CELL


def named(request: Generate, limit: int) -> set[int]:
    """Where the gateway wants something kept, at `limit` at the latest; without its word, there."""
    return {min(aligned(position), limit) for position in request.boundaries} or {limit}


def stops_of(request: Generate, start: int, limit: int) -> list[int]:
    """Positions behind `start`, ascending, far enough apart for chunks.

    `limit`: the longest prefix of the prompt that is ever matched; prefill stops there too, unless it just did.
    """
    stops: list[int] = []
    for stop in [*sorted({*named(request, limit), *range(EVERY, limit, EVERY)}), limit]:
        if stop - (stops[-1] if stops else start) >= SHORTEST:
            stops.append(stop)
    return stops


def superseded(position: int) -> list[int]:
    """Which of the regular stops before `position` are no longer worth their memory: the further back, the fewer stay.

    Of those at a distance of 2^k to 2^(k+1) times EVERY only multiples of 2^k times EVERY stay.
    """
    at = position // EVERY
    return [i * EVERY for i in range(1, at) if i % (1 << ((at - i).bit_length() - 1))]
