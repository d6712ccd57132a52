"""Rotary position embedding against float64 and mx.fast.rope."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.native.reference import DTYPES, ULP, error_of_largest, float64

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def truth(
    x: mx.array, positions: NDArray[np.int64], frequencies: NDArray[np.float64], traditional: bool
) -> NDArray[np.float64]:
    """x [B, H, T, D], positions [B, T]."""
    out = float64(x)
    dims = 2 * len(frequencies)
    angles = (positions[..., None] * frequencies)[:, None]
    pair = (slice(0, dims, 2), slice(1, dims, 2)) if traditional else (slice(0, dims // 2), slice(dims // 2, dims))
    a, b = out[..., pair[0]].copy(), out[..., pair[1]].copy()
    out[..., pair[0]] = a * np.cos(angles) - b * np.sin(angles)
    out[..., pair[1]] = a * np.sin(angles) + b * np.cos(angles)
    return out


@pytest.mark.parametrize("traditional", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(
    rows=st.integers(1, 3),
    heads=st.integers(1, 3),
    tokens=st.integers(1, 5),
    half=st.integers(1, 40),
    rest=st.integers(0, 20),
    offset=st.sampled_from([0, 7, 3000, 130_000, 1_000_000]),
    seed=st.integers(0, 1000),
)
def test_is_as_exact_as_stock(
    level: str,
    dtype: mx.Dtype,
    traditional: bool,
    rows: int,
    heads: int,
    tokens: int,
    half: int,
    rest: int,
    offset: int,
    seed: int,
) -> None:
    x = mx.random.normal((rows, heads, tokens, 2 * half + rest), key=mx.random.key(seed)).astype(dtype)
    offsets = [offset + 3 * row for row in range(rows)]
    ours = vivace_cpu.rope(x, offsets, vivace_cpu.rope_frequencies(2 * half, 1e4), traditional=traditional)
    positions = np.array(offsets)[:, None] + np.arange(tokens)
    exact = truth(x, positions, 1e4 ** (-np.arange(half) / half), traditional)
    # Stock computes its angles in the dtype of x: compare with float32's.
    stock = mx.fast.rope(
        x.astype(mx.float32),
        2 * half,
        traditional=traditional,
        base=1e4,
        scale=1.0,
        offset=mx.array(offsets),
    )
    # The angle itself is rounded to float32, in stock and here.
    rounded = (offset + 10) * ULP[mx.float32]
    assert error_of_largest(ours, exact) <= 1.1 * error_of_largest(stock, exact) + 2 * ULP[dtype] + rounded


@pytest.mark.parametrize("traditional", [False, True])
def test_forms_of_frequencies_and_offsets(level: str, traditional: bool) -> None:
    x = mx.random.normal((2, 3, 9, 24))
    frequencies = vivace_cpu.rope_frequencies(16, 500.0, 0.25)
    ours = vivace_cpu.rope(x, 41, frequencies, traditional=traditional)
    assert mx.allclose(ours, mx.fast.rope(x, 16, traditional=traditional, base=500.0, scale=0.25, offset=41), atol=1e-5)
    for offsets in (mx.array(41), mx.array([41]), mx.array([41, 41], mx.int64), [41, 41], mx.array([41, 7, 41])[::2]):
        assert mx.array_equal(ours, vivace_cpu.rope(x, offsets, frequencies, traditional=traditional))
    # The form that mlx-lm's scaled variants use: radians per position are the reciprocals, 0 of infinity.
    freqs = mx.concatenate([mx.random.uniform(1.0, 1e4, (6,)), mx.full((2,), mx.inf)])
    stock = mx.fast.rope(x, 16, traditional=traditional, base=None, scale=1.0, offset=mx.array([5, 900]), freqs=freqs)
    ours = vivace_cpu.rope(x, mx.array([5, 900]), 1 / freqs, traditional=traditional)
    assert mx.allclose(ours, stock, atol=1e-4)
    scaled = vivace_cpu.rope(x, mx.array([5, 900]), 1 / freqs, traditional=traditional, factor=1.5)
    assert mx.allclose(scaled[..., :16], 1.5 * ours[..., :16], atol=1e-5)
    assert mx.array_equal(scaled[..., 16:], x[..., 16:])


@pytest.mark.parametrize("traditional", [False, True])
def test_views_other_ranks_and_empty_inputs(level: str, traditional: bool) -> None:
    frequencies = vivace_cpu.rope_frequencies(20, 1e4)
    by_token = mx.random.normal((2, 6, 4, 21))
    for x in (
        by_token.swapaxes(1, 2),
        by_token[:, ::2, 1:, 1:],
        by_token[..., ::-1],
        by_token[0],
        by_token[:, :, None],
    ):
        if x.ndim == 5:
            x = x.reshape(2, 3, 2, 4, 21)
        ours = vivace_cpu.rope(x, 3, frequencies, traditional=traditional)
        assert mx.allclose(ours, mx.fast.rope(x, 20, traditional=traditional, base=1e4, scale=1.0, offset=3), atol=1e-5)
    assert vivace_cpu.rope(mx.zeros((0, 2, 3, 20)), 0, frequencies).shape == (0, 2, 3, 20)
    assert vivace_cpu.rope(mx.zeros((1, 2, 0, 20)), 0, frequencies).shape == (1, 2, 0, 20)
    assert mx.array_equal(vivace_cpu.rope(by_token, 9, mx.zeros((0,))), by_token)


def test_nan_stays_in_its_pair(level: str) -> None:
    x = mx.ones((1, 1, 1, 32))
    x[..., 3] = float("nan")
    wrong = mx.isnan(vivace_cpu.rope(x, 2, vivace_cpu.rope_frequencies(32, 1e4)))
    assert np.flatnonzero(np.array(wrong)).tolist() == [3, 19]


def test_wrong_inputs_are_refused() -> None:
    x, frequencies = mx.zeros((2, 1, 1, 8)), mx.zeros((4,))
    with pytest.raises(ValueError, match="more than"):
        vivace_cpu.rope(x, 0, mx.zeros((5,)))
    with pytest.raises(ValueError, match="one a row"):
        vivace_cpu.rope(x, [1, 2, 3], frequencies)
    with pytest.raises(ValueError, match="one a row"):
        vivace_cpu.rope(x, mx.array([1.0, 2.0]), frequencies)
    with pytest.raises(ValueError, match="float32"):
        vivace_cpu.rope(x, 0, frequencies.astype(mx.float16))
    with pytest.raises(ValueError, match="even"):
        vivace_cpu.rope_frequencies(7, 1e4)
