"""The rotation is one, always the same, and spreads what stands out."""

import mlx.core as mx
import numpy as np
import pytest

from vivace.engine.cache.codecs.rotation import rotate, rotate_back

DEPTHS = [1, 2, 3, 16, 17, 64, 80, 96, 100, 128, 192, 256, 576]


def matrix(depth: int) -> np.ndarray:
    return np.array(rotate(mx.eye(depth)))


@pytest.mark.parametrize("depth", DEPTHS)
def test_it_is_orthogonal(depth):
    found = matrix(depth)
    assert found @ found.T == pytest.approx(np.eye(depth), abs=1e-5)


@pytest.mark.parametrize("depth", DEPTHS)
def test_it_is_undone(depth):
    x = mx.random.normal((5, depth), key=mx.random.key(depth))
    assert mx.allclose(rotate_back(rotate(x)), x, atol=1e-5)


@pytest.mark.parametrize("depth", [64, 80, 96, 100, 128, 192, 256, 576])
def test_one_coordinate_is_spread_over_all(depth):
    # Of flat magnitudes the fourth moment is 1, of random ones 3.
    assert (matrix(depth) ** 4).sum(axis=1).max() * depth < 4


def test_what_was_stored_can_be_read_for_ever():
    signs = matrix(24)[np.arange(24), np.arange(24)] > 0
    assert "".join("+" if sign else "-" for sign in signs) == "-++++++--+-+++++-++-+-++"
