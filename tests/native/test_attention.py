"""Attention against float64, and that the result of a row depends on nothing but the row."""

import itertools
from collections.abc import Iterator
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.native.reference import DTYPES, ULP, float64, largest_error, relative_rms

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Query heads, kv heads.
HEADS = [(4, 4), (6, 2), (9, 1), (8, 4)]


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = vivace_cpu.threads()
    vivace_cpu.set_threads(request.param)
    yield request.param
    vivace_cpu.set_threads(before)


def normal(*shape: int, seed: int = 0, dtype: mx.Dtype = mx.float32) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed)).astype(dtype)


def inputs(heads: tuple[int, int], queries: int, keys: int, dim: int, value_dim: int, **how: Any) -> list[mx.array]:
    """q, k, v of two sequences."""
    query_heads, kv_heads = heads
    shapes = [(query_heads, queries, dim), (kv_heads, keys, dim), (kv_heads, keys, value_dim)]
    return [normal(2, *shape, **(how | {"seed": how.get("seed", 0) + i})) for i, shape in enumerate(shapes)]


def seen(queries: int, keys: int, causal: bool, window: int) -> NDArray[np.bool_]:
    """[queries, keys]: what each query sees by its position."""
    position = np.arange(keys - queries, keys)[:, None]
    key = np.arange(keys)[None, :]
    result: NDArray[np.bool_] = ((key <= position) | (not causal)) & ((key > position - window) | (window == 0))
    return result


def truth(
    q: mx.array,
    k: mx.array,
    v: mx.array,
    scale: float,
    mask: NDArray[Any] | None = None,
    sinks: mx.array | None = None,
    softcap: float = 0.0,
) -> NDArray[np.float64]:
    """In float64, with all scores at once; `mask` is boolean or additive."""
    q64, k64, v64 = float64(q), float64(k), float64(v)
    group = q.shape[1] // k.shape[1]
    scores = np.einsum("bhtd,bhsd->bhts", q64, k64.repeat(group, 1)) * scale
    if softcap:
        scores = softcap * np.tanh(scores / softcap)
    if mask is not None:
        scores = np.where(mask, scores, -1e38) if mask.dtype == np.bool_ else scores + mask
    if sinks is not None:
        extra = np.broadcast_to(float64(sinks)[None, :, None, None], (*scores.shape[:3], 1))
        scores = np.concatenate([scores, extra], -1)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    result: NDArray[np.float64] = np.einsum("bhts,bhsd->bhtd", weights[..., : k.shape[2]], v64.repeat(group, 1))
    return result


def assert_close(result: mx.array, exact: NDArray[np.float64]) -> None:
    assert result.shape == exact.shape
    assert result.dtype == mx.float32
    assert largest_error(result, exact) <= 2e-5


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(
    heads=st.sampled_from(HEADS),
    queries=st.integers(1, 40),
    past=st.integers(0, 400),
    dim=st.integers(1, 160),
    value_dim=st.integers(1, 160),
    causal=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_as_exact_as_stock(
    level: str,
    dtype: mx.Dtype,
    heads: tuple[int, int],
    queries: int,
    past: int,
    dim: int,
    value_dim: int,
    causal: bool,
    seed: int,
) -> None:
    keys, scale = past + queries, dim**-0.5
    q, k, v = inputs(heads, queries, keys, dim, value_dim, dtype=dtype, seed=seed)
    ours = vivace_cpu.attention(q, k, v, scale=scale, causal=causal)
    stock = mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask="causal" if causal else None)
    exact = truth(q, k, v, scale, seen(queries, keys, causal, 0))
    assert ours.dtype == dtype
    assert relative_rms(ours, exact) <= 1.1 * relative_rms(stock, exact) + ULP[dtype]
    assert largest_error(ours, exact) <= 3 * largest_error(stock, exact) + 16 * ULP[dtype]  # one element: luck


@pytest.mark.parametrize("kv_dtype", DTYPES)
@few
@given(
    heads=st.sampled_from(HEADS),
    queries=st.integers(1, 70),
    keys=st.integers(70, 600),
    window=st.integers(0, 300),
    causal=st.booleans(),
    sinks=st.booleans(),
    softcap=st.sampled_from([0.0, 2.0]),
)
def test_window_sinks_and_softcap(
    level: str,
    kv_dtype: mx.Dtype,
    heads: tuple[int, int],
    queries: int,
    keys: int,
    window: int,
    causal: bool,
    sinks: bool,
    softcap: float,
) -> None:
    q, k, v = inputs(heads, queries, keys, 24, 40)
    k, v = k.astype(kv_dtype), v.astype(kv_dtype)
    extra = normal(heads[0], seed=9) if sinks else None
    options = {"scale": 0.3, "sinks": extra, "softcap": softcap}
    ours = vivace_cpu.attention(q, k, v, causal=causal, window=window, **options)
    assert_close(ours, truth(q, k, v, mask=seen(queries, keys, causal, window), **options))


@pytest.mark.parametrize("kind", [mx.bool_, *DTYPES])
@pytest.mark.parametrize("shape", [(40, 300), (2, 1, 1, 300), (1, 6, 40, 1), (2, 6, 40, 300), (1,)])
@pytest.mark.parametrize("queries", [2, 40])
def test_array_masks(level: str, kind: mx.Dtype, shape: tuple[int, ...], queries: int) -> None:
    shape = tuple(queries if n == 40 else n for n in shape)
    q, k, v = inputs((6, 2), queries, 300, 32, 32)
    mask = normal(*shape, seed=5)
    mask = mask > -0.5 if kind == mx.bool_ else (mask * 3).astype(kind)
    as_numpy = np.array(mask) if kind == mx.bool_ else float64(mask)
    assert_close(vivace_cpu.attention(q, k, v, scale=0.2, mask=mask), truth(q, k, v, 0.2, as_numpy))


def test_a_boolean_mask_that_hides_blocks(level: str) -> None:
    q, k, v = inputs((4, 2), 200, 700, 32, 32)
    mask = seen(200, 700, True, 100)
    assert_close(vivace_cpu.attention(q, k, v, scale=0.2, mask=mx.array(mask)), truth(q, k, v, 0.2, mask))


@pytest.mark.parametrize("queries", [2, 40])
def test_queries_that_see_nothing_give_what_stock_gives(level: str, queries: int) -> None:
    q, k, v = inputs((4, 2), queries, 1000, 32, 32)
    some = np.ones((queries, 1000), np.bool_)
    some[1] = False
    for mask in (mx.array(some), mx.where(mx.array(some), 0.0, -mx.inf)):
        for sinks in (None, mx.zeros(4)):
            ours = vivace_cpu.attention(q, k, v, scale=0.2, mask=mask, sinks=sinks)
            stock = mx.fast.scaled_dot_product_attention(q, k, v, scale=0.2, mask=mask, sinks=sinks)
            assert mx.allclose(ours, stock, atol=1e-5, equal_nan=True)


def test_no_visible_key_gives_zeros(level: str) -> None:
    for queries in (1, 30):
        q, k, v = inputs((4, 2), queries, 0, 8, 8)
        assert not vivace_cpu.attention(q, k, v, scale=1.0).any()
        assert not vivace_cpu.attention(q, k, v, scale=1.0, sinks=mx.zeros(4)).any()
    q, k, v = inputs((4, 2), 30, 10, 8, 8)
    ours = vivace_cpu.attention(q, k, v, scale=1.0, causal=True)
    assert not ours[:, :, :20].any()
    assert mx.allclose(ours[:, :, 20:], vivace_cpu.attention(q[:, :, 20:], k, v, scale=1.0, causal=True), atol=1e-6)


@pytest.mark.parametrize("queries", [1, 40])
def test_nan_and_infinity_propagate_as_in_stock(level: str, queries: int) -> None:
    q, k, v = inputs((4, 2), queries, 300, 32, 32)
    for value in (mx.nan, mx.inf, -mx.inf):
        for spoiled in range(3):
            arrays = [mx.array(q), mx.array(k), mx.array(v)]
            arrays[spoiled][1, 1, queries - 1, 3] = value
            ours = vivace_cpu.attention(*arrays, scale=0.2)
            stock = mx.fast.scaled_dot_product_attention(*arrays, scale=0.2)
            assert mx.allclose(ours, stock, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("kv_dtype", [mx.float32, mx.float16])
@pytest.mark.parametrize("queries", [1, 5])
def test_a_ragged_row_equals_the_row_alone(level: str, threads: int, queries: int, kv_dtype: mx.Dtype) -> None:
    lengths, capacities, starts = [3, 700, 70, 2500, 7], [256, 1024, 300, 2560, 256], [0, 100, 2, 0, 249]
    q = normal(5, 6, queries, 48)
    keys = [normal(1, 2, n, 48, seed=n, dtype=kv_dtype) for n in capacities]
    values = [normal(1, 2, n, 40, seed=n + 1, dtype=kv_dtype) for n in capacities]
    ends = [start + min(n, c - start) for start, n, c in zip(starts, lengths, capacities, strict=True)]
    options = {"scale": 0.2, "sinks": normal(6), "window": 600}
    together = vivace_cpu.ragged_attention(q, keys, values, starts, ends, **options)
    before = vivace_cpu.threads()
    vivace_cpu.set_threads(2)
    for i in range(5):
        part = slice(starts[i], ends[i])
        k, v = keys[i][:, :, part], values[i][:, :, part]
        alone = vivace_cpu.attention(q[i : i + 1], k, v, **options)
        assert mx.array_equal(together[i : i + 1], alone)
        mask = seen(queries, ends[i] - starts[i], False, 600)
        assert_close(alone, truth(q[i : i + 1], k, v, 0.2, mask, sinks=options["sinks"]))
    vivace_cpu.set_threads(before)


def test_prefill_does_not_depend_on_batch_or_threads(level: str, threads: int) -> None:
    q, k, v = inputs((4, 1), 300, 900, 32, 32)
    both = vivace_cpu.attention(q, k, v, scale=0.2, causal=True)
    for i in range(2):
        row = slice(i, i + 1)
        vivace_cpu.set_threads(2)
        assert mx.array_equal(both[row], vivace_cpu.attention(q[row], k[row], v[row], scale=0.2, causal=True))


@pytest.mark.parametrize("window", [0, 70, 2500])
@pytest.mark.parametrize("heads", [(4, 1), (6, 2)])
def test_where_a_prompt_is_cut_changes_no_bit(level: str, threads: int, heads: tuple[int, int], window: int) -> None:
    """Over keys of several splits, which threads share where there are few heads."""
    queries, keys = 300, 4300
    q, k, v = (x[:1] for x in inputs(heads, queries, keys, 32, 40, dtype=mx.float16))
    whole = vivace_cpu.attention(q, k, v, scale=0.2, causal=True, window=window)
    for begin, end in itertools.pairwise([0, 12, 44, 47, 203, queries]):
        until = keys - queries + end
        part = vivace_cpu.ragged_attention(
            q[:, :, begin:end], [k], [v], [0], [until], scale=0.2, causal=True, window=window
        )
        assert mx.array_equal(part, whole[:, :, begin:end])


@pytest.mark.parametrize("queries", [2, 40])
def test_views(level: str, queries: int) -> None:
    q = normal(2, queries, 6, 32).swapaxes(1, 2)
    k, v = normal(3, 2, 512, 33)[1:, :, 5:400, 1:], normal(2, 2, 32, 395, seed=1).swapaxes(2, 3)
    mask = normal(395, queries, seed=2).T > 0
    assert_close(vivace_cpu.attention(q, k, v, scale=0.2, mask=mask), truth(q, k, v, 0.2, np.array(mask)))
    every_other = vivace_cpu.attention(q, k[:, :, ::2], v[:, :, ::2], scale=0.2)
    assert_close(every_other, truth(q, k[:, :, ::2], v[:, :, ::2], 0.2))


def test_empty_inputs(level: str) -> None:
    q, k, v = inputs((4, 2), 3, 5, 8, 8)
    assert vivace_cpu.attention(q[:0], k[:0], v[:0], scale=1.0).shape == (0, 4, 3, 8)
    assert vivace_cpu.attention(q[:, :, :0], k, v, scale=1.0).shape == (2, 4, 0, 8)
    assert vivace_cpu.attention(q, k, v[..., :0], scale=1.0).shape == (2, 4, 3, 0)
    assert_close(vivace_cpu.attention(q[..., :0], k[..., :0], v, scale=1.0), truth(q[..., :0], k[..., :0], v, 1.0))


def test_wrong_arguments_are_refused() -> None:
    q, k, v = inputs((4, 2), 3, 5, 8, 8)
    one = [x[:1] for x in (q, k, v)]
    bad: list[tuple[str, Any]] = [
        ("multiple", lambda: vivace_cpu.attention(q[:, :3], k, v, scale=1.0)),
        ("one dim", lambda: vivace_cpu.attention(q[..., :4], k, v, scale=1.0)),
        ("same heads", lambda: vivace_cpu.attention(q, k, v[:, :, :4], scale=1.0)),
        ("one dtype", lambda: vivace_cpu.attention(q, k, v.astype(mx.float16), scale=1.0)),
        ("batch size", lambda: vivace_cpu.attention(q, k[:1], v[:1], scale=1.0)),
        ("float32", lambda: vivace_cpu.attention(q.astype(mx.int32), k, v, scale=1.0)),
        ("broadcast", lambda: vivace_cpu.attention(q, k, v, scale=1.0, mask=mx.zeros((3, 4)))),
        ("sinks", lambda: vivace_cpu.attention(q, k, v, scale=1.0, sinks=mx.zeros(2))),
        ("window", lambda: vivace_cpu.attention(q, k, v, scale=1.0, window=-1)),
        ("lists", lambda: vivace_cpu.ragged_attention(q, [k[:1]], [v[:1]], [0], [5, 5], scale=1.0)),
        ("rows", lambda: vivace_cpu.ragged_attention(q, [k[:1]], [v[:1]], [0], [5], scale=1.0)),
        ("ends", lambda: vivace_cpu.ragged_attention(one[0], [k[:1]], [v[:1]], [0], [6], scale=1.0)),
        (r"\[1,", lambda: vivace_cpu.ragged_attention(one[0], [k], [v], [0], [5], scale=1.0)),
    ]
    for message, call in bad:
        with pytest.raises(ValueError, match=message):
            call()
