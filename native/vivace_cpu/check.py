"""Whether the kernels compute rightly on this processor: small products of every kind against float64.

A table of named checks, each of which returns the largest error relative to the size of the result. It runs at import
of Vivace's engine, so all of it has to stay below 50 ms.
"""

from collections.abc import Callable

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from vivace_cpu import _native as native

Array = NDArray[np.float64]
FLOAT32 = 1e-5  # of float32 results
ROUNDED = 0.02  # of results in bfloat16, and of products of activations rounded to int8


def _random(*shape: int, seed: int = 0) -> Array:
    # Exact in bfloat16, so that no input is rounded on its way.
    values = np.random.default_rng(seed).standard_normal(shape)
    return np.round(values * 32) / 32


def _error(result: mx.array, truth: Array) -> float:
    got = np.array(result.astype(mx.float32), np.float64)
    if got.shape != truth.shape:
        return float("inf")
    return float(np.max(np.abs(got - truth)) / np.sqrt(np.mean(truth**2)))


def _rms_norm(dtype: mx.Dtype) -> float:
    x, weight = _random(3, 70), _random(70, seed=1)
    truth = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weight
    return _error(native.rms_norm(mx.array(x, dtype), mx.array(weight, dtype), 1e-6), truth)


def _layer_norm() -> float:
    x, weight, bias = _random(3, 70), _random(70, seed=1), _random(70, seed=2)
    centered = x - x.mean(-1, keepdims=True)
    truth = centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-5) * weight + bias
    return _error(native.layer_norm(*(mx.array(a, mx.float32) for a in (x, weight, bias)), 1e-5), truth)


CHECKS: list[tuple[str, Callable[[], float], float]] = [
    ("rms_norm float32", lambda: _rms_norm(mx.float32), FLOAT32),
    ("rms_norm bfloat16", lambda: _rms_norm(mx.bfloat16), ROUNDED),
    ("layer_norm", _layer_norm, FLOAT32),
]


def self_test() -> list[str]:
    """What is wrong, one sentence each; empty when all is well. Uses the level in use."""
    failures = []
    with mx.stream(mx.cpu):
        for name, check, limit in CHECKS:
            try:
                error = check()
            except Exception as e:  # noqa: BLE001  # whatever it is, the kernels must not be used
                failures.append(f"{name}: {type(e).__name__}: {e}")
                continue
            if not error <= limit:
                failures.append(f"{name}: off by {error:.2g}")
    return failures
