"""Where prefill stops."""

from vivace.engine.cache.stops import EVERY, stops_of, superseded
from vivace.protocol import Generate


def test_stops_are_those_that_are_named_regular_ones_and_the_limit():
    request = Generate("r", [1] * 5000, 10, boundaries=(102, 4800))
    assert stops_of(request, 0, 4999) == [100, EVERY, 2 * EVERY, 4800, 4999]
    assert stops_of(request, 100, 4999) == [EVERY, 2 * EVERY, 4800, 4999]
    assert stops_of(request, 4999, 4999) == []


def test_between_stops_there_is_a_chunk():
    request = Generate("r", [1] * 400, 10, boundaries=(4, 100, 107, 394))
    assert stops_of(request, 0, 399) == [100, 392]
    assert stops_of(request, 0, 388) == [100, 388]  # what is named behind the limit is kept there


def test_the_further_back_the_fewer_regular_stops_stay():
    kept: set[int] = set()
    for at in range(1, 65):
        kept.add(at)
        kept -= {place // EVERY for place in superseded(at * EVERY)}
        assert at in kept
        for distance in (1, 2, 4, 8, 16, 32):  # within every octave of distance there is one
            if at > 2 * distance:
                assert any(distance <= at - place <= 2 * distance for place in kept)
    assert len(kept) <= 2 * 7
