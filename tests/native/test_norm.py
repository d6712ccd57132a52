"""RMSNorm and LayerNorm against float64."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.native.reference import DTYPES, ULP, error_of_largest, float64

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def truth(x: NDArray[np.float64], eps: float, center: bool) -> NDArray[np.float64]:
    if center:
        x = x - x.mean(-1, keepdims=True)
    result: NDArray[np.float64] = x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    return result


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(rows=st.integers(1, 5), dim=st.integers(1, 300), seed=st.integers(0, 1000))
def test_norms_are_as_exact_as_stock(level: str, dtype: mx.Dtype, rows: int, dim: int, seed: int) -> None:
    x, weight, bias = (
        mx.random.normal(s, key=mx.random.key(seed)).astype(dtype) for s in ((rows, dim), (dim,), (dim,))
    )
    rms = truth(float64(x), 1e-6, False) * float64(weight)
    layer = truth(float64(x), 1e-5, True) * float64(weight) + float64(bias)
    pairs = [
        (vivace_cpu.rms_norm(x, weight, 1e-6), mx.fast.rms_norm(x, weight, 1e-6), rms),
        (vivace_cpu.layer_norm(x, weight, bias, 1e-5), mx.fast.layer_norm(x, weight, bias, 1e-5), layer),
    ]
    for ours, stock, exact in pairs:
        assert error_of_largest(ours, exact) <= 1.1 * error_of_largest(stock, exact) + 4 * ULP[dtype]


def test_views_empty_inputs_and_nan(level: str) -> None:
    x = mx.random.normal((6, 4, 50))[1::2, :, 3:30:2]
    assert mx.allclose(vivace_cpu.rms_norm(x, None, 1e-6), mx.fast.rms_norm(x, None, 1e-6), atol=1e-5)
    assert vivace_cpu.rms_norm(mx.zeros((0, 8)), mx.ones(8), 1e-6).shape == (0, 8)
    row = mx.array([[1.0, float("nan"), 2.0], [1.0, 2.0, 3.0]])
    assert mx.isnan(vivace_cpu.rms_norm(row, None, 1e-6)).sum().item() == 3


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[dim\]"):
        vivace_cpu.rms_norm(mx.zeros((2, 8)), mx.ones(7), 1e-6)
    with pytest.raises(ValueError, match="float32"):
        vivace_cpu.rms_norm(mx.zeros((2, 8), mx.int32), mx.ones(8), 1e-6)
