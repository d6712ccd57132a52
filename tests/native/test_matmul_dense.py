"""Products with dense weights against float64."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native.reference import DTYPES, ULP, float64, largest_error, relative_rms

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Few rows are dot products, many go through panels; 512 entries of k are one block.
rows_of = st.sampled_from([1, 2, 3, 5, 8, 16, 17, 40, 65, 130, 520])
depths = st.one_of(st.integers(1, 80), st.sampled_from([128, 511, 512, 513, 1100]))


def normal(shape: tuple[int, ...], seed: int, dtype: mx.Dtype) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed)).astype(dtype)


@pytest.mark.parametrize("weight_dtype", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(m=rows_of, k=depths, n=st.integers(1, 120), seed=st.integers(0, 1000), bias=st.booleans(), add=st.booleans())
def test_products_are_as_exact_as_stock(
    level: str, dtype: mx.Dtype, weight_dtype: mx.Dtype, m: int, k: int, n: int, seed: int, bias: bool, add: bool
) -> None:
    x, w = normal((m, k), seed, dtype), normal((n, k), seed + 1, weight_dtype)
    b = normal((n,), seed + 2, weight_dtype) if bias else None
    a = normal((m, n), seed + 3, dtype) if add else None
    exact = float64(x) @ float64(w).T
    if b is not None:
        exact += float64(b)
    if a is not None:
        exact += float64(a)
    ours = vivace_cpu.matmul(x, w, bias=b, add=a)
    assert ours.dtype == dtype
    assert ours.shape == (m, n)
    stock = x.astype(mx.float32) @ w.astype(mx.float32).T  # stock in 16 bits also sums in 16 bits
    stock = (stock + (b if b is not None else 0) + (a if a is not None else 0)).astype(dtype)
    assert relative_rms(ours, exact) <= 1.1 * relative_rms(stock, exact) + ULP[mx.float32]
    assert largest_error(ours, exact) <= 1.1 * largest_error(stock, exact) + 4 * ULP[dtype]


@pytest.mark.parametrize("m", [3, 30])
def test_views_leading_axes_and_unaligned_memory(level: str, m: int) -> None:
    x, w = mx.random.normal((2, 2 * m, 50)), mx.random.normal((33, 90))
    for view, weight in ((x[:, ::2, 3:40], w[:, 5:42]), (x[1:, m:, :37], w[::3, 1:38]), (x[0].T[:, :5], w[:, 1:6])):
        expected = float64(view) @ float64(weight).T
        assert np.allclose(vivace_cpu.matmul(view, weight), expected, atol=1e-4)
    flat = mx.random.normal((1 + 37 * m,))[1:].reshape(m, 37)
    assert np.allclose(vivace_cpu.matmul(flat, w[:, 5:42]), float64(flat) @ float64(w[:, 5:42]).T, atol=1e-4)


@pytest.mark.parametrize("m", [2, 40])
def test_nothing_to_add_up_and_nothing_at_all(level: str, m: int) -> None:
    bias = mx.arange(5.0)
    assert vivace_cpu.matmul(mx.zeros((m, 0)), mx.zeros((5, 0))).tolist() == [[0.0] * 5] * m
    assert vivace_cpu.matmul(mx.zeros((m, 0)), mx.zeros((5, 0)), bias=bias).tolist() == [bias.tolist()] * m
    assert vivace_cpu.matmul(mx.zeros((m, 7)), mx.zeros((0, 7))).shape == (m, 0)
    assert vivace_cpu.matmul(mx.zeros((0, 7)), mx.zeros((5, 7))).shape == (0, 5)
    assert vivace_cpu.matmul(mx.zeros((7,)), mx.zeros((5, 7))).shape == (5,)


@pytest.mark.parametrize("m", [2, 40])
def test_nan_and_infinity_stay_in_their_rows(level: str, m: int) -> None:
    x = mx.ones((m, 20))
    x[0, 3], x[1, 4] = float("nan"), float("inf")
    out = np.array(vivace_cpu.matmul(x, mx.ones((50, 20))))
    assert np.isnan(out[0]).all()
    assert np.isposinf(out[1]).all()
    assert (out[2:] == 20).all()


def test_what_does_not_fit_is_refused() -> None:
    x, w = mx.zeros((3, 8)), mx.zeros((5, 8))
    for match, call in (
        ("K", lambda: vivace_cpu.matmul(x, mx.zeros((5, 7)))),
        ("K", lambda: vivace_cpu.matmul(x, mx.zeros((1, 5, 8)))),
        ("float32", lambda: vivace_cpu.matmul(x.astype(mx.int32), w)),
        ("float32", lambda: vivace_cpu.matmul(x, w.astype(mx.uint32))),
        (r"bias must be \[N\]", lambda: vivace_cpu.matmul(x, w, bias=mx.zeros(8))),
        ("add must have", lambda: vivace_cpu.matmul(x, w, add=mx.zeros((3, 8)))),
        ("add must have", lambda: vivace_cpu.matmul(x, w, add=mx.zeros((3, 5), mx.float16))),
    ):
        with pytest.raises(ValueError, match=match):
            call()
