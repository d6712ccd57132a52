"""The best levels for a coordinate of a random unit vector: Lloyd's and Max's iteration on its density.

A coordinate u of a unit vector in d dimensions has a density proportional to (1 - u²)^((d - 3) / 2), a Beta density
(TurboQuant, arXiv 2504.19874, section 3.1). Levels are for t = u √d, which comes close to N(0, 1) for large d.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

_POINTS = 1 << 14
_FARTHEST = 12.0  # standard deviations, where float64 has nothing left
_CLOSE = 1e-9
_MOST_ROUNDS = 10_000


@dataclass(frozen=True)
class Codebook:
    """The upper half of a symmetric quantizer.

    Attributes:
        levels: 2^(bits - 1) positive ones, rising.
        edges: between them, one fewer.
        distortion: mean squared error of t, of which the mean square is 1.
    """

    levels: tuple[float, ...]
    edges: tuple[float, ...]
    distortion: float


@cache
def codebook(depth: int, bits: int) -> Codebook:
    """For vectors of `depth` ≥ 4 numbers and codes of `bits` ≥ 2 bits."""
    t = np.linspace(0.0, min(depth**0.5, _FARTHEST), _POINTS)
    density = np.maximum(1.0 - t * t / depth, 0.0) ** ((depth - 3) / 2)
    mass, moment, square = (_integral(t, density * t**power) for power in range(3))

    levels = np.linspace(0.0, 3.0, 2 ** (bits - 1) + 1)[1:]
    for _ in range(_MOST_ROUNDS):
        edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, t[-1:]])
        weight, first = (np.diff(np.interp(edges, t, integral)) for integral in (mass, moment))
        before, levels = levels, first / weight
        if np.abs(levels - before).max() < _CLOSE:
            break
    kept = np.sum(weight * levels**2) / square[-1]
    return Codebook(tuple(levels.tolist()), tuple(edges[1:-1].tolist()), float(1.0 - kept))


def _integral(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    """From 0 to each of `t`, by trapezoids."""
    return np.concatenate([[0.0], np.cumsum((y[1:] + y[:-1]) / 2 * np.diff(t))])
