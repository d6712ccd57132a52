"""Products with quantized weights against float64."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native.reference import DTYPES, ULP, float64

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BITS = [2, 3, 4, 5, 6, 8]
GROUPS = [32, 64, 128]
FORMATS = [*({"bits": b, "group_size": g, "mode": "affine"} for b in BITS for g in GROUPS)]
FORMATS.append({"bits": 4, "group_size": 32, "mode": "mxfp4"})
ROWS = [*range(1, 21), 64, 100]


class Case:
    """A random weight in a format, an x for it, and the product in float64."""

    def __init__(self, form: dict, m: int, n: int, groups: int, dtype: mx.Dtype, scales: mx.Dtype, seed: int) -> None:
        self.form = form
        keys = mx.random.split(mx.random.key(seed), 3)
        w = mx.random.normal((n, groups * form["group_size"]), key=keys[0]).astype(scales)
        self.w, self.scales, *rest = mx.quantize(w, **form)
        self.biases = rest[0] if rest else None
        self.x = mx.random.normal((m, w.shape[1]), key=keys[1]).astype(dtype)
        self.dense = float64(mx.dequantize(self.w, self.scales.astype(self._wide), self._wide_biases, **form))
        self.truth = float64(self.x) @ self.dense.T

    def error(self, result: mx.array) -> float:
        """Over what the products of vectors of these lengths are on average: single ones may be near zero."""
        lengths = np.linalg.norm(float64(self.x), axis=1)[:, None] * np.linalg.norm(self.dense, axis=1)
        scale = float(np.sqrt(np.mean(lengths**2) / self.x.shape[1]))
        return float(np.sqrt(np.mean((float64(result) - self.truth) ** 2))) / scale

    @property
    def _wide(self) -> mx.Dtype:
        return mx.uint8 if self.biases is None else mx.float32

    @property
    def _wide_biases(self) -> mx.array | None:
        return None if self.biases is None else self.biases.astype(mx.float32)

    def ours(self, **options: object) -> mx.array:
        return vivace_cpu.quantized_matmul(self.x, self.w, self.scales, self.biases, **self.form, **options)

    def stock(self) -> mx.array:
        scales, biases = self.scales, self.biases
        if biases is not None:
            scales, biases = scales.astype(self.x.dtype), biases.astype(self.x.dtype)
        return mx.quantized_matmul(self.x, self.w, scales, biases, **self.form)


@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f"{f['mode']}{f['bits']}g{f['group_size']}")
@few
@given(
    m=st.sampled_from(ROWS),
    n=st.integers(1, 70),
    groups=st.integers(1, 11),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 99),
)
def test_exact_is_as_exact_as_stock_and_int8_within_one_percent(
    level: str, form: dict, m: int, n: int, groups: int, dtype: mx.Dtype, seed: int
) -> None:
    case = Case(form, m, n, groups, dtype, DTYPES[seed % 3], seed)
    stock = case.error(case.stock()) if seed % 3 == DTYPES.index(dtype) else 0.0
    assert case.error(case.ours(exact=True)) <= 1.1 * stock + 2 * ULP[dtype]
    assert case.error(case.ours()) < 0.01 + ULP[dtype]
