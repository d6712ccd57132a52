"""Levels are the best ones for the coordinates of random unit vectors."""

import numpy as np
import pytest

from vivace.engine.cache.codecs.codebook import codebook

# Max, "Quantizing for Minimum Distortion" (1960), table I: mean squared error for N(0, 1).
MAX_1960 = {2: 0.1175, 3: 0.03454, 4: 0.009497}
MAX_1960_LEVELS = {2: (0.4528, 1.510), 3: (0.2451, 0.7560, 1.344, 2.152)}


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_long_vectors_get_the_levels_for_a_normal_density(bits):
    book = codebook(1_000_000, bits)
    assert book.distortion == pytest.approx(MAX_1960[bits], rel=2e-3)
    for level, published in zip(book.levels, MAX_1960_LEVELS.get(bits, ()), strict=False):
        assert level == pytest.approx(published, rel=1e-3)


@pytest.mark.parametrize("depth", [16, 64, 128, 576])
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_distortion_is_that_of_random_directions(depth, bits):
    x = np.random.default_rng(0).normal(size=(200_000 // depth, depth))
    t = np.abs(x) / np.linalg.norm(x, axis=1, keepdims=True) * depth**0.5
    book = codebook(depth, bits)
    rounded = np.array(book.levels)[np.searchsorted(book.edges, t)]
    assert np.mean((t - rounded) ** 2) == pytest.approx(book.distortion, rel=0.03)


@pytest.mark.parametrize("depth", [16, 128])
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_each_level_is_the_mean_of_its_cell_and_each_edge_lies_in_the_middle(depth, bits):
    book = codebook(depth, bits)
    levels = np.array(book.levels)
    assert np.array(book.edges) == pytest.approx((levels[1:] + levels[:-1]) / 2)
    t = np.linspace(0, depth**0.5, 400_001)
    density = (1 - np.minimum(t * t / depth, 1)) ** ((depth - 3) / 2)
    cell = np.searchsorted(book.edges, t)
    means = [np.average(t[cell == i], weights=density[cell == i]) for i in range(len(levels))]
    assert levels == pytest.approx(np.array(means), abs=2e-4)
