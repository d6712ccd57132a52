from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest

from vivace.kernels import exponential
from vivace.kernels.exponential import exp, sigmoid, silu, softmax, swiglu

BIG = exponential._SMALLEST
Exact = Callable[[np.ndarray], np.ndarray]


def spread(low: float, high: float, size: int = 2 * BIG) -> mx.array:
    return mx.array(np.linspace(low, high, size, dtype=np.float32).reshape(4, -1))


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("size", [64, 2 * BIG])
@pytest.mark.parametrize(
    ("ours", "exact"),
    [(exp, np.exp), (sigmoid, logistic), (silu, lambda x: x * logistic(x))],
    ids=["exp", "sigmoid", "silu"],
)
def test_float32_to_the_last_digits(ours: Callable[[mx.array], mx.array], exact: Exact, size: int) -> None:
    x = spread(-80, 80, size)
    want = exact(np.array(x, np.float64))
    tolerance = 3e-7 if size >= BIG else 1e-5
    np.testing.assert_allclose(np.array(ours(x), np.float64), want, rtol=tolerance)


@pytest.mark.parametrize(
    ("x", "exps", "sigmoids", "silus"),
    [(-1e30, 0.0, 0.0, 0.0), (-100.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.5, 0.0), (100.0, None, 1.0, 100.0)],
)
def test_far_ends(x: float, exps: float | None, sigmoids: float, silus: float) -> None:
    values = mx.full((BIG,), x)
    assert exps is None or np.allclose(exp(values), exps, atol=1e-30)
    assert np.allclose(sigmoid(values), sigmoids, atol=1e-30)
    assert np.allclose(silu(values), silus, atol=1e-7)


def test_swiglu_is_a_gate() -> None:
    gate, x = spread(-8, 8), spread(3, -3)
    assert mx.allclose(swiglu(gate, x), gate * mx.sigmoid(gate) * x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("keys", [7, BIG])
def test_softmax_adds_up_and_hides_what_is_minus_infinity(keys: int) -> None:
    x = mx.random.normal((3, keys)) * 30
    x[1, 3:] = -mx.inf
    got = np.array(softmax(x), np.float64)
    shifted = np.array(x, np.float64) - np.array(x, np.float64).max(axis=-1, keepdims=True)
    want = np.exp(shifted) / np.exp(shifted).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(got.sum(axis=-1), 1, rtol=1e-6)
    assert (got[1, 3:] < 1e-37).all()


@pytest.mark.parametrize("dtype", [mx.bfloat16, mx.float16])
def test_other_dtypes_keep_theirs(dtype: mx.Dtype) -> None:
    x = mx.zeros((2, BIG), dtype)
    assert {f(x).dtype for f in (exp, sigmoid, silu, softmax)} == {dtype}


def test_a_view_that_is_not_contiguous() -> None:
    x = spread(-4, 4).T
    np.testing.assert_allclose(np.array(exp(x)), np.exp(np.array(x)), rtol=1e-6)
