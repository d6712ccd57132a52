"""Argmax, logsumexp, softmax and top-k over logits, against numpy in float64."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native.reference import DTYPES, ULP, float64, largest_error

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
rows_of = st.integers(1, 4)
# Around the vectors, the blocks of 64 and the parts of 16384 that the kernels work in.
lengths = st.sampled_from([1, 2, 7, 15, 16, 17, 63, 64, 65, 100, 1000, 4097, 16384, 16385, 40000])
INFINITY, NAN = float("inf"), float("nan")


def logits(rows: int, length: int, seed: int, dtype: mx.Dtype, ties: bool = False) -> mx.array:
    x = 4 * mx.random.normal((rows, length), key=mx.random.key(seed))
    return (mx.round(x) if ties else x).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(rows=rows_of, length=lengths, seed=st.integers(0, 1000), ties=st.booleans())
def test_argmax_is_the_first_of_the_largest(
    level: str, dtype: mx.Dtype, rows: int, length: int, seed: int, ties: bool
) -> None:
    x = logits(rows, length, seed, dtype, ties)
    best = vivace_cpu.argmax(x)
    assert best.dtype == mx.uint32
    assert np.array(best).tolist() == float64(x).argmax(-1).tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(rows=rows_of, length=lengths, seed=st.integers(0, 1000))
def test_sums_of_exponentials_are_as_exact_as_stock(
    level: str, dtype: mx.Dtype, rows: int, length: int, seed: int
) -> None:
    x = logits(rows, length, seed, dtype)
    exact = float64(x)
    weights = np.exp(exact - exact.max(-1, keepdims=True))
    log_sum = np.log(weights.sum(-1)) + exact.max(-1)
    ours = vivace_cpu.logsumexp(x)
    assert ours.dtype == mx.float32
    stock = mx.logsumexp(x.astype(mx.float32), axis=-1)
    assert largest_error(ours, log_sum) <= 1.1 * largest_error(stock, log_sum) + 2 * ULP[mx.float32]
    weights /= weights.sum(-1, keepdims=True)
    ours, stock = vivace_cpu.softmax(x), mx.softmax(x, axis=-1, precise=True)
    assert ours.dtype == dtype
    bound = 1.1 * np.abs(float64(stock) - weights).max() + 4 * ULP[mx.float32] * weights.max()
    assert np.abs(float64(ours) - weights).max() <= bound


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(rows=rows_of, length=lengths, seed=st.integers(0, 1000), ties=st.booleans(), data=st.data())
def test_topk_is_a_stable_sort_cut_off(
    level: str, dtype: mx.Dtype, rows: int, length: int, seed: int, ties: bool, data: st.DataObject
) -> None:
    x = logits(rows, length, seed, dtype, ties)
    k = data.draw(st.sampled_from([0, 1, 2, 20, 50, length // 2, length]).filter(lambda k: k <= length))
    values, indices = vivace_cpu.topk(x, k)
    order = np.argsort(-float64(x), axis=-1, kind="stable")[:, :k]
    assert values.dtype == mx.float32
    assert np.array(indices).tolist() == order.tolist()
    assert np.array(values).tolist() == np.take_along_axis(float64(x), order, -1).tolist()


@pytest.mark.parametrize("length", [5, 20000])
@pytest.mark.parametrize(
    "special",
    [[NAN], [1.0, NAN, 3.0, NAN], [INFINITY, 1.0], [INFINITY, INFINITY], [-INFINITY, 2.0], [-INFINITY, NAN]],
)
def test_nan_and_infinity_mean_what_they_mean_to_stock(level: str, length: int, special: list[float]) -> None:
    for at in (0, length - len(special)):
        row = np.zeros(length, np.float32)
        row[at : at + len(special)] = special
        x = mx.array(row)[None]
        assert vivace_cpu.argmax(x).item() == mx.argmax(x, axis=-1).item()
        assert np.allclose(vivace_cpu.logsumexp(x), mx.logsumexp(x, axis=-1), atol=1e-5, equal_nan=True)
        assert np.allclose(vivace_cpu.softmax(x), mx.softmax(x, axis=-1), rtol=1e-4, equal_nan=True)
        values, indices = vivace_cpu.topk(x, 3)
        first = np.nan_to_num(row, nan=np.finfo(np.float32).max, posinf=1e38, neginf=-1e38)
        assert np.array(indices)[0].tolist() == np.argsort(-first, kind="stable")[:3].tolist()
        assert np.array_equal(np.array(values)[0], row[np.array(indices)[0]], equal_nan=True)


@pytest.mark.parametrize("length", [4, 20000])
def test_rows_that_are_all_masked(level: str, length: int) -> None:
    x = mx.full((2, length), -INFINITY)
    assert vivace_cpu.argmax(x).tolist() == [0, 0]
    assert vivace_cpu.logsumexp(x).tolist() == [-INFINITY] * 2
    assert mx.isnan(vivace_cpu.softmax(x)).all().item()
    assert vivace_cpu.topk(x, 2)[1].tolist() == [[0, 1]] * 2


def test_zeros_of_both_signs_are_equal(level: str) -> None:
    x = mx.array([[-1.0, -0.0, 0.0, -0.0]])
    assert vivace_cpu.argmax(x).item() == 1
    assert vivace_cpu.topk(x, 3)[1].tolist() == [[1, 2, 3]]


def test_views_and_leading_axes(level: str) -> None:
    whole = mx.random.normal((3, 5, 70), key=mx.random.key(1))
    for x in (
        whole,
        whole[:, -1],
        whole[1, ::2, 3:40],
        whole[..., ::3],
        whole.T,
        mx.broadcast_to(whole[:1, 0], (4, 70)),
    ):
        exact = mx.contiguous(x)
        assert vivace_cpu.argmax(x).tolist() == mx.argmax(exact, axis=-1).tolist()
        assert mx.allclose(vivace_cpu.logsumexp(x), mx.logsumexp(exact, axis=-1), atol=1e-5)
        assert mx.allclose(vivace_cpu.softmax(x), mx.softmax(exact, axis=-1))
        assert vivace_cpu.topk(x, 2)[1].shape == (*x.shape[:-1], 2)


def test_empty_inputs_and_what_is_refused() -> None:
    none = mx.zeros((0, 8))
    assert vivace_cpu.argmax(none).shape == vivace_cpu.logsumexp(none).shape == (0,)
    assert vivace_cpu.softmax(mx.zeros((3, 0))).shape == (3, 0)
    assert [part.shape for part in vivace_cpu.topk(mx.zeros((3, 0)), 0)] == [(3, 0), (3, 0)]
    with pytest.raises(ValueError, match="empty"):
        vivace_cpu.argmax(mx.zeros((3, 0)))
    with pytest.raises(ValueError, match="k must be"):
        vivace_cpu.topk(mx.zeros((3, 4)), 5)
    with pytest.raises(ValueError, match="float32"):
        vivace_cpu.softmax(mx.zeros((3, 4), mx.int32))
    with pytest.raises(ValueError, match="axis"):
        vivace_cpu.argmax(mx.array(1.0))
