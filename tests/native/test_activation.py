"""SwiGLU, GeGLU and their kin, and the residual add, against float64."""

from collections.abc import Callable, Iterator
from math import erf

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlx_lm.models.activations import swiglu_oai
from numpy.typing import NDArray

from tests.native.reference import DTYPES, ULP, error_of_largest, float64

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Floats = NDArray[np.float64]
Gated = Callable[[mx.array, mx.array], mx.array]


@pytest.fixture(autouse=True)
def uncompiled() -> Iterator[None]:
    """Stock's functions would each run a C++ compiler."""
    mx.disable_compile()
    yield
    mx.enable_compile()


def sigmoid(x: Floats) -> Floats:
    result: Floats = 1 / (1 + np.exp(-x))
    return result


def normal_cdf(x: Floats) -> Floats:
    result: Floats = (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2
    return result


def tanh_cdf(x: Floats) -> Floats:
    result: Floats = (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
    return result


def clipped(gate: Floats, up: Floats) -> Floats:
    gate = np.minimum(gate, 7)
    result: Floats = gate * sigmoid(1.702 * gate) * (np.clip(up, -7, 7) + 1)
    return result


# Ours, stock's and the truth.
GATED: dict[str, tuple[Gated, Gated, Callable[[Floats, Floats], Floats]]] = {
    "swiglu": (vivace_cpu.swiglu, lambda g, u: nn.silu(g) * u, lambda g, u: g * sigmoid(g) * u),
    "geglu": (vivace_cpu.geglu, lambda g, u: nn.gelu(g) * u, lambda g, u: g * normal_cdf(g) * u),
    "geglu_tanh": (
        lambda g, u: vivace_cpu.geglu(g, u, approximate=True),
        lambda g, u: nn.gelu_approx(g) * u,
        lambda g, u: g * tanh_cdf(g) * u,
    ),
    "sigmoid_gate": (vivace_cpu.sigmoid_gate, lambda g, u: mx.sigmoid(g) * u, lambda g, u: sigmoid(g) * u),
    "clipped_swiglu": (vivace_cpu.clipped_swiglu, swiglu_oai, clipped),
    "add": (vivace_cpu.add, mx.add, np.add),
}


@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(rows=st.integers(1, 4), dim=st.integers(1, 100), spread=st.sampled_from([0.1, 3.0]), seed=st.integers(0, 99))
def test_is_as_exact_as_stock(
    level: str, dtype: mx.Dtype, name: str, rows: int, dim: int, spread: float, seed: int
) -> None:
    ours, stock, truth = GATED[name]
    gate, up = (mx.random.normal((rows, dim), key=k).astype(dtype) for k in mx.random.split(mx.random.key(seed)))
    gate = gate * spread
    exact = truth(float64(gate), float64(up))
    # The exponential is good to 2 units in the last place, and three operations follow it.
    assert error_of_largest(ours(gate, up), exact) <= 1.1 * error_of_largest(stock(gate, up), exact) + 4 * ULP[dtype]


def test_gelu_keeps_digits_far_out(level: str) -> None:
    x = mx.linspace(-5, 5, 1001)
    exact = float64(x) * normal_cdf(float64(x))
    assert np.allclose(float64(vivace_cpu.gelu(x)), exact, rtol=2e-6, atol=1e-30)
    assert np.allclose(float64(vivace_cpu.silu(x)), float64(x) * sigmoid(float64(x)), rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("name", GATED)
def test_halves_of_one_array_and_long_rows(level: str, name: str) -> None:
    ours, stock, _ = GATED[name]
    both = mx.random.normal((2, 3, 2 * 9001))
    gate, up = mx.split(both, 2, axis=-1)
    assert mx.allclose(ours(gate, up), stock(gate, up), rtol=1e-4, atol=1e-5)
    gate, up = both[:, ::2, 1:9001:3], both[:, ::-2, 1:9001:3]
    assert mx.allclose(ours(gate, up), stock(gate, up), rtol=1e-4, atol=1e-5)
    scalar = ours(mx.array(0.5), mx.array(2.0))
    assert mx.allclose(scalar, stock(mx.array(0.5), mx.array(2.0)))
    assert ours(mx.zeros((0, 8)), mx.zeros((0, 8))).shape == (0, 8)
    assert ours(mx.zeros((8, 0)), mx.zeros((8, 0))).shape == (8, 0)


@pytest.mark.parametrize("name", GATED)
def test_nan_and_infinity_go_as_in_stock(level: str, name: str) -> None:
    ours, stock, _ = GATED[name]
    special = mx.array([float("nan"), float("inf"), float("-inf"), 0.0, 1.0, -1.0, 1e30, -1e30])
    gate, up = mx.repeat(special, 8), mx.tile(special, 8)
    assert np.array_equal(float64(mx.isnan(ours(gate, up))), float64(mx.isnan(stock(gate, up))))
    assert np.array_equal(float64(mx.isinf(ours(gate, up))), float64(mx.isinf(stock(gate, up))))


def test_the_inputs_stay_as_they_were(level: str) -> None:
    gate, up = mx.ones((4, 64)), mx.full((4, 64), 2.0)
    first, second = vivace_cpu.swiglu(gate, up), vivace_cpu.swiglu(gate, up)
    mx.eval(first)
    assert mx.array_equal(first, second)
    assert mx.all(gate == 1)
    assert mx.all(up == 2)


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        vivace_cpu.swiglu(mx.zeros((2, 8)), mx.zeros((2, 4)))
    with pytest.raises(ValueError, match="one shape and dtype"):
        vivace_cpu.geglu(mx.zeros((2, 8)), mx.zeros((2, 8), mx.float16))
    with pytest.raises(ValueError, match="float32"):
        vivace_cpu.silu(mx.zeros((2, 8), mx.int32))
    with pytest.raises(ValueError, match="one shape"):
        vivace_cpu.add(mx.zeros((2, 8)), mx.zeros((8,)))
