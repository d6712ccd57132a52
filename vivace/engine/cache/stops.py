"""Where prefill stops to keep what cannot be cut shorter later: recurrent state, and the windows of sliding layers."""

from vivace.protocol import Generate

EVERY = 2048  # tokens between snapshots of a long prefill, beside the positions that the gateway names


def stops_of(request: Generate, start: int) -> list[int]:
    """Positions behind `start`, ascending; the last is the end of what is prefilled."""
    last = len(request.prompt) - 1
    stops = {*request.boundaries, *range(EVERY, last, EVERY), last}
    return sorted(stop for stop in stops if start < stop <= last)


def superseded(position: int) -> list[int]:
    """Which of the regular stops before `position` are no longer worth their memory: the further back, the fewer stay.

    Of those at a distance of 2^k to 2^(k+1) times EVERY only multiples of 2^k times EVERY stay.
    """
    at = position // EVERY
    return [i * EVERY for i in range(1, at) if i % (1 << ((at - i).bit_length() - 1))]
