"""Rows of dense and quantized tables."""

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native.reference import DTYPES, ULP, float64, largest_error

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FORMATS: list[dict[str, Any]] = [
    *({"bits": bits, "group_size": group, "mode": "affine"} for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)),
    {"bits": 4, "group_size": 32, "mode": "mxfp4"},
]


@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f"{f['mode']}{f['bits']}g{f['group_size']}")
@few
@given(
    rows=st.integers(1, 40),
    groups=st.integers(1, 7),
    dtype=st.sampled_from(DTYPES),
    table=st.sampled_from(DTYPES),
    scale=st.sampled_from([1.0, 22.5]),
    seed=st.integers(0, 99),
)
def test_quantized_tables(
    level: str, form: dict[str, Any], rows: int, groups: int, dtype: mx.Dtype, table: mx.Dtype, scale: float, seed: int
) -> None:
    plain = mx.random.normal((rows, groups * form["group_size"]), key=mx.random.key(seed)).astype(table)
    w, scales, *biases = mx.quantize(plain, **form)
    wide = (part.astype(mx.float32) for part in (scales, *biases)) if biases else (scales,)
    exact = float64(mx.dequantize(w, *wide, **form)) * scale
    indices = np.random.default_rng(seed).integers(-rows, rows, (2, 5))
    packed = vivace_cpu.Packed(w, scales, *biases, **form)
    ours = vivace_cpu.embed(mx.array(indices), packed, dtype=dtype, scale=scale)
    assert ours.shape == (2, 5, plain.shape[1])
    assert ours.dtype == dtype
    assert largest_error(ours, exact[indices]) <= 4 * ULP[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(rows=st.integers(1, 40), k=st.integers(1, 100), seed=st.integers(0, 99))
def test_dense_tables_are_as_mx_take(level: str, dtype: mx.Dtype, rows: int, k: int, seed: int) -> None:
    table = mx.random.normal((rows, k), key=mx.random.key(seed)).astype(dtype)
    indices = mx.array(np.random.default_rng(seed).integers(-rows, rows, (7,)))
    assert mx.array_equal(vivace_cpu.embed(indices, table), mx.take(table, indices, axis=0))
    doubled = vivace_cpu.embed(indices, table, dtype=mx.float32, scale=2.0)
    assert mx.array_equal(doubled, 2 * mx.take(table, indices, axis=0).astype(mx.float32))


def test_indices_of_no_row_give_zeros(level: str) -> None:
    table = mx.ones((4, 64))
    packed = vivace_cpu.Packed(*mx.quantize(table, 64, 4))
    for dtype, wrong in ((mx.int32, [4, -5, 2**31 - 1, -(2**31)]), (mx.uint32, [4, 2**31]), (mx.int64, [-9, 99])):
        indices = mx.array([3, *wrong, 0], dtype)
        for out in (vivace_cpu.embed(indices, table), vivace_cpu.embed(indices, packed)):
            assert np.allclose(out[0], 1)
            assert np.allclose(out[-1], 1)
            assert (np.array(out[1:-1]) == 0).all()


def test_defaults_views_and_empty_inputs(level: str) -> None:
    whole = mx.random.normal((9, 100))
    view = whole[::2, 1:30]
    indices = mx.arange(10)[::3]
    assert mx.array_equal(vivace_cpu.embed(indices, view), mx.concatenate([view[indices[:2]], mx.zeros((2, 29))]))
    assert vivace_cpu.embed(mx.array(2), view).shape == (29,)
    assert vivace_cpu.embed(mx.zeros((0, 3), mx.int32), view).shape == (0, 3, 29)
    assert vivace_cpu.embed(mx.array([0]), mx.zeros((0, 5))).tolist() == [[0.0] * 5]
    assert vivace_cpu.embed(mx.array([0]), view.astype(mx.float16)).dtype == mx.float16
    mxfp4 = vivace_cpu.Packed(*mx.quantize(mx.ones((4, 64)), 32, 4, mode="mxfp4"), group_size=32, mode="mxfp4")
    assert vivace_cpu.embed(mx.array([0]), mxfp4).dtype == mx.bfloat16


def test_what_does_not_fit_is_refused() -> None:
    w, scales, biases = mx.quantize(mx.ones((4, 64)), 64, 4)
    packed, several = vivace_cpu.Packed(w, scales, biases), vivace_cpu.Packed(w[None], scales[None], biases[None])
    one = mx.array([0])
    for match, call in (
        ("integers", lambda: vivace_cpu.embed(mx.array([0.5]), mx.zeros((4, 4)))),
        ("two axes", lambda: vivace_cpu.embed(one, mx.zeros((4,)))),
        ("float32", lambda: vivace_cpu.embed(one, w)),
        ("float32", lambda: vivace_cpu.embed(one, packed, dtype=mx.int32)),
        ("two axes", lambda: vivace_cpu.embed(one, several)),
    ):
        with pytest.raises(ValueError, match=match):
            call()
