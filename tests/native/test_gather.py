"""Products of a mixture of experts against float64 and stock."""

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.native.reference import DTYPES, ULP, float64, largest_error

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FORMATS: list[dict[str, Any]] = [
    {"bits": 4, "group_size": 64, "mode": "affine"},
    {"bits": 8, "group_size": 32, "mode": "affine"},
    {"bits": 3, "group_size": 128, "mode": "affine"},
    {"bits": 4, "group_size": 32, "mode": "mxfp4"},
]


def normal(shape: tuple[int, ...], seed: int, dtype: mx.Dtype = mx.float32) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed)).astype(dtype)


def some_experts(shape: tuple[int, ...], experts: int, seed: int, ordered: bool) -> mx.array:
    chosen = np.random.default_rng(seed).integers(0, experts, shape)
    return mx.array(np.sort(chosen, axis=None).reshape(shape) if ordered else chosen, mx.uint32)


def truth(x: mx.array, w: mx.array, indices: mx.array) -> NDArray[np.float64]:
    """[..., M, N]: x [..., M, K] broadcast against indices."""
    weights = float64(w)[np.array(indices)]
    result: NDArray[np.float64] = float64(x) @ weights.swapaxes(-1, -2)
    return result


# Tokens and experts of a decode (unsorted, x broadcast over the experts) and of a prefill (one row a pair, sorted).
@pytest.mark.parametrize("weight_dtype", [mx.float32, mx.bfloat16])
@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(
    tokens=st.sampled_from([1, 3, 40]),
    prefill=st.booleans(),
    experts=st.integers(1, 6),
    k=st.integers(1, 150),
    n=st.integers(1, 70),
    seed=st.integers(0, 99),
    bias=st.booleans(),
)
def test_dense_experts(
    level: str,
    dtype: mx.Dtype,
    weight_dtype: mx.Dtype,
    tokens: int,
    prefill: bool,
    experts: int,
    k: int,
    n: int,
    seed: int,
    bias: bool,
) -> None:
    w, b = normal((experts, n, k), seed, weight_dtype), normal((experts, n), seed + 1, weight_dtype)
    x = normal((tokens * 2, 1, k) if prefill else (1, tokens, 1, 1, k), seed + 2, dtype)
    indices = some_experts((tokens * 2,) if prefill else (1, tokens, 2), experts, seed, prefill)
    exact = truth(x, w, indices)
    stock = mx.gather_mm(x.astype(mx.float32), w.astype(mx.float32).swapaxes(-1, -2), rhs_indices=indices)
    if bias:
        exact += float64(b)[np.array(indices)][..., None, :]
        stock = stock + mx.expand_dims(b[indices], -2)
    ours = vivace_cpu.gather_mm(x, w, indices, bias=b if bias else None)
    assert ours.shape == stock.shape
    assert ours.dtype == dtype
    assert largest_error(ours, exact) <= 1.1 * largest_error(stock.astype(dtype), exact) + 4 * ULP[dtype]


@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f"{f['mode']}{f['bits']}g{f['group_size']}")
@few
@given(
    tokens=st.sampled_from([1, 3, 40]),
    prefill=st.booleans(),
    experts=st.integers(1, 6),
    groups=st.integers(1, 5),
    n=st.integers(1, 70),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 99),
)
def test_quantized_experts(
    level: str,
    form: dict[str, Any],
    tokens: int,
    prefill: bool,
    experts: int,
    groups: int,
    n: int,
    dtype: mx.Dtype,
    seed: int,
) -> None:
    k = groups * form["group_size"]
    w, scales, *biases = mx.quantize(normal((experts, n, k), seed), **form)
    plain = mx.dequantize(w, scales, *biases, **form).astype(mx.float32)
    x = normal((tokens * 2, 1, k) if prefill else (1, tokens, 1, 1, k), seed + 2, dtype)
    indices = some_experts((tokens * 2,) if prefill else (1, tokens, 2), experts, seed, prefill)
    exact = truth(x, plain, indices)
    packed = vivace_cpu.Packed(w, scales, *biases, **form)
    both = [vivace_cpu.gather_qmm(x, packed, indices, exact=exact_mode) for exact_mode in (True, False)]
    assert all(result.shape == exact.shape and result.dtype == dtype for result in both)
    # Of single numbers, which may be small by chance, beside the usual size of such a product.
    usual = np.sqrt(k * np.mean(float64(x) ** 2) * np.mean(float64(plain) ** 2))
    errors = [np.sqrt(np.mean((float64(result) - exact) ** 2)) / usual for result in both]
    assert errors[0] <= 2 * ULP[dtype] + 4 * ULP[mx.float32]
    assert errors[1] < 0.01 + 2 * ULP[dtype]


def test_experts_that_do_not_exist_give_zeros(level: str) -> None:
    w = mx.ones((3, 40, 64))
    packed = vivace_cpu.Packed(*mx.quantize(w, 64, 4))
    x = mx.ones((6, 1, 64))
    for dtype, wrong in ((mx.int32, [-1, 3, 2**31 - 1]), (mx.uint32, [3, 2**31, 2**32 - 1]), (mx.int64, [-9, 3, 99])):
        indices = mx.array([0, wrong[0], 2, wrong[1], wrong[2], 1], dtype)
        for out in (
            vivace_cpu.gather_mm(x, w, indices, bias=mx.zeros((3, 40))),
            vivace_cpu.gather_qmm(x, packed, indices),
        ):
            rows = np.array(out)[:, 0]
            assert np.allclose(rows[[0, 2, 5]], 64, atol=0.5)
            assert (rows[[1, 3, 4]] == 0).all()


@pytest.mark.parametrize("count", [3, 30])
def test_several_rows_views_and_shapes(level: str, count: int) -> None:
    w = normal((4, 50, 90), 0)[:, 1:34, 3:40]
    for x, shape in (
        (normal((count, 5, 37), 1), (count,)),
        (normal((2, 1, 4, 37), 1), (count,)),
        (normal((1, 37), 1), (count, 2)),
        (normal((2, count, 1, 74), 1)[..., ::2], (2, count)),
    ):
        indices = some_experts(shape, 4, count, False)
        out = vivace_cpu.gather_mm(x, w, indices)
        batch = np.broadcast_shapes(x.shape[:-2], shape)
        exact = truth(mx.broadcast_to(x, (*batch, *x.shape[-2:])), w, mx.broadcast_to(indices, batch))
        assert out.shape == exact.shape
        assert np.allclose(np.array(out), exact, atol=1e-4)


def test_an_expert_with_more_rows_than_a_group_holds(level: str) -> None:
    x, w = normal((1100, 1, 20), 0), normal((2, 10, 20), 1)
    indices = some_experts((1100,), 2, 0, False) * 0 + 1
    assert np.allclose(np.array(vivace_cpu.gather_mm(x, w, indices)), truth(x, w, indices), atol=1e-4)


def test_nan_stays_in_its_row(level: str) -> None:
    x = mx.ones((4, 1, 64))
    x[1, 0, 5] = float("nan")
    weight = vivace_cpu.Packed(*mx.quantize(mx.ones((2, 8, 64)), 64, 4))
    out = np.array(vivace_cpu.gather_qmm(x, weight, mx.array([0, 0, 1, 1])))[:, 0]
    assert np.isnan(out[1]).all()
    assert np.isfinite(out[[0, 2, 3]]).all()


def test_empty_inputs_and_what_is_refused() -> None:
    w = mx.zeros((3, 5, 8))
    none = mx.zeros((0,), mx.int32)
    matrix = vivace_cpu.Packed(*mx.quantize(mx.zeros((5, 64)), 64, 4))
    assert vivace_cpu.gather_mm(mx.zeros((0, 1, 8)), w, none).shape == (0, 1, 5)
    assert vivace_cpu.gather_mm(mx.zeros((1, 8)), mx.zeros((0, 5, 8)), mx.array([0])).tolist() == [[[0.0] * 5]]
    for match, call in (
        ("K", lambda: vivace_cpu.gather_mm(mx.zeros((1, 7)), w, mx.array([0]))),
        ("K", lambda: vivace_cpu.gather_mm(mx.zeros((8,)), w, mx.array([0]))),
        ("integers", lambda: vivace_cpu.gather_mm(mx.zeros((1, 8)), w, mx.array([0.0]))),
        (r"bias must be \[E, N\]", lambda: vivace_cpu.gather_mm(mx.zeros((1, 8)), w, mx.array([0]), bias=mx.zeros(5))),
        ("broadcast", lambda: vivace_cpu.gather_mm(mx.zeros((2, 1, 8)), w, mx.array([0, 1, 2]))),
        (r"w must be \[E, N, K\]", lambda: vivace_cpu.gather_qmm(mx.zeros((1, 64)), matrix, mx.array([0]))),
    ):
        with pytest.raises(ValueError, match=match):
            call()
