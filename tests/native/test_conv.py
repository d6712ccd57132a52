"""Depthwise causal convolution against float64 and vivace.kernels.conv."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.native.reference import DTYPES, ULP, error_of_largest, float64
from vivace.kernels.conv import depthwise_conv1d

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def truth(whole: NDArray[np.float64], weight: NDArray[np.float64], silu: bool) -> NDArray[np.float64]:
    """[B, width - 1 + T, C] with the state first, [C, width] → [B, T, C]."""
    width = weight.shape[1]
    tokens = whole.shape[1] - width + 1
    y = sum((whole[:, i : i + tokens] * weight[:, i] for i in range(width)), np.zeros(1))
    return y / (1 + np.exp(-y)) if silu else y


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(
    rows=st.integers(1, 3),
    tokens=st.one_of(st.integers(1, 9), st.integers(30, 70)),
    channels=st.integers(1, 300),
    width=st.integers(1, 8),
    silu=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_is_as_exact_as_stock(
    level: str, dtype: mx.Dtype, rows: int, tokens: int, channels: int, width: int, silu: bool, seed: int
) -> None:
    keys = mx.random.split(mx.random.key(seed), 3)
    x = mx.random.normal((rows, tokens, channels), key=keys[0]).astype(dtype)
    state = mx.random.normal((rows, width - 1, channels), key=keys[1]).astype(dtype)
    weight = mx.random.normal((channels, width, 1), key=keys[2]).astype(dtype)
    ours, new_state = vivace_cpu.causal_conv1d(x, state, weight, silu=silu)
    whole = mx.concatenate([state, x], axis=1)
    stock = depthwise_conv1d(whole, weight)
    exact = truth(float64(whole), float64(weight[..., 0]), silu)
    stock = stock * mx.sigmoid(stock) if silu else stock
    assert error_of_largest(ours, exact) <= 1.1 * error_of_largest(stock, exact) + 2 * ULP[dtype]
    assert mx.array_equal(new_state, whole[:, tokens:])


def test_is_nn_conv1d(level: str) -> None:
    layer = nn.Conv1d(40, 40, 4, groups=40)
    x = mx.random.normal((2, 11, 40))
    layer.bias = mx.random.normal((40,))
    ours, _ = vivace_cpu.causal_conv1d(x, None, layer.weight, layer.bias)
    assert mx.allclose(ours, layer(mx.pad(x, [(0, 0), (3, 0), (0, 0)])), atol=1e-5)


@pytest.mark.parametrize("width", [2, 4, 7])
def test_in_pieces_it_is_the_same(level: str, width: int) -> None:
    x, weight = mx.random.normal((2, 50, 33)).astype(mx.bfloat16), mx.random.normal((33, width))
    whole, last = vivace_cpu.causal_conv1d(x, None, weight, silu=True)
    state: mx.array | None = None
    pieces = []
    for start, stop in ((0, 1), (1, 2), (2, 4), (4, 41), (41, 50)):
        y, state = vivace_cpu.causal_conv1d(x[:, start:stop], state, weight, silu=True)
        pieces.append(y)
    assert mx.array_equal(mx.concatenate(pieces, axis=1), whole)
    assert state is not None
    assert mx.array_equal(state, last)


def test_mask_and_lengths_are_those_of_a_ragged_batch(level: str) -> None:
    x, state = mx.random.normal((3, 6, 20)), mx.random.normal((3, 3, 20))
    x[0, 5] = float("nan")
    weight, ends = mx.random.normal((20, 4, 1)), [5, 6, 0]
    lengths = mx.array(ends)
    mask = mx.arange(6)[None] < lengths[:, None]
    y, new_state = vivace_cpu.causal_conv1d(x, state, weight, mask=mask, lengths=lengths)
    for row, length in enumerate(ends):
        alone, last = vivace_cpu.causal_conv1d(x[row : row + 1, :length], state[row : row + 1], weight)
        assert mx.array_equal(y[row : row + 1, :length], alone)
        assert mx.array_equal(new_state[row : row + 1], last)
    assert not mx.isnan(y).any()


def test_views_and_empty_inputs(level: str) -> None:
    wide, weight = mx.random.normal((4, 10, 90)), mx.random.normal((30, 4, 2))[..., :1]
    for x in (wide[::2, 1:8, 5:35], wide[..., ::3], wide[:, ::-1, :30], wide.swapaxes(0, 1)[..., 60:]):
        y, _ = vivace_cpu.causal_conv1d(x, None, weight)
        assert mx.allclose(y, depthwise_conv1d(mx.pad(x, [(0, 0), (3, 0), (0, 0)]), weight), atol=1e-5)
    state = mx.random.normal((2, 3, 30))
    y, same = vivace_cpu.causal_conv1d(mx.zeros((2, 0, 30)), state, weight)
    assert y.shape == (2, 0, 30)
    assert mx.array_equal(same, state)
    assert vivace_cpu.causal_conv1d(mx.zeros((0, 5, 30)), None, weight)[1].shape == (0, 3, 30)
    assert vivace_cpu.causal_conv1d(mx.zeros((2, 5, 0)), None, mx.zeros((0, 4, 1)))[0].shape == (2, 5, 0)


def test_wrong_inputs_are_refused() -> None:
    x, weight = mx.zeros((2, 5, 8)), mx.zeros((8, 4, 1))
    with pytest.raises(ValueError, match=r"\[B, T, C\]"):
        vivace_cpu.causal_conv1d(x[0], None, weight)
    with pytest.raises(ValueError, match="weight"):
        vivace_cpu.causal_conv1d(x, None, mx.zeros((7, 4, 1)))
    with pytest.raises(ValueError, match="1 to 8"):
        vivace_cpu.causal_conv1d(x, None, mx.zeros((8, 9, 1)))
    with pytest.raises(ValueError, match="state"):
        vivace_cpu.causal_conv1d(x, mx.zeros((2, 4, 8)), weight)
    with pytest.raises(ValueError, match="mask"):
        vivace_cpu.causal_conv1d(x, None, weight, mask=mx.ones((2, 5)))
