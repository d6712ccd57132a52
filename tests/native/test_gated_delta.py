"""The gated delta rule and its norm against float64 and the forms in MLX."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlx_lm.models import gated_delta as stock
from mlx_lm.models.qwen3_next import Qwen3NextRMSNormGated
from numpy.typing import NDArray

from tests.native.reference import DTYPES, ULP, error_of_largest, float64
from vivace.kernels import gated_delta as ours_in_mlx

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Floats = NDArray[np.float64]


def inputs(
    tokens: int,
    *,
    batch: int = 1,
    key_heads: int = 2,
    heads: int = 4,
    key_dim: int = 32,
    dim: int = 40,
    per_channel: bool = False,
    dtype: mx.Dtype = mx.float32,
    seed: int = 0,
) -> list[mx.array]:
    """q, k, v, g, beta, state."""
    keys = iter(mx.random.split(mx.random.key(seed), 6))
    q, k = (mx.random.normal((batch, tokens, key_heads, key_dim), key=next(keys)) for _ in range(2))
    q, k = stock.normalize_qk(q, k, inv_scale=key_dim**-0.5, eps=1e-6)
    v = mx.random.normal((batch, tokens, heads, dim), key=next(keys))
    g = mx.random.uniform(0.3, 1.0, (batch, tokens, heads, key_dim)[: 4 if per_channel else 3], key=next(keys))
    beta = mx.random.uniform(shape=(batch, tokens, heads), key=next(keys))
    state = mx.random.normal((batch, heads, dim, key_dim), key=next(keys))
    return [x.astype(dtype) for x in (q, k, v)] + [g, beta, state]


def truth(q: mx.array, k: mx.array, v: mx.array, g: mx.array, beta: mx.array, state: mx.array) -> tuple[Floats, Floats]:
    each = v.shape[2] // q.shape[2]
    queries, keys = (np.repeat(float64(x), each, axis=2) for x in (q, k))
    values, decay, step, s = (float64(x) for x in (v, g, beta, state))
    decay = decay[..., None, :] if g.ndim == 4 else decay[..., None, None]
    ys = []
    for t in range(v.shape[1]):
        s = s * decay[:, t]
        delta = (values[:, t] - np.einsum("bhvk,bhk->bhv", s, keys[:, t])) * step[:, t, :, None]
        s = s + delta[..., None] * keys[:, t, :, None]
        ys.append(np.einsum("bhvk,bhk->bhv", s, queries[:, t]))
    return np.stack(ys, axis=1), s


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(
    tokens=st.one_of(st.integers(1, 9), st.integers(15, 70)),
    batch=st.integers(1, 2),
    key_heads=st.integers(1, 2),
    each=st.integers(1, 3),
    key_dim=st.integers(1, 70),
    dim=st.integers(1, 70),
    seed=st.integers(0, 1000),
)
def test_is_as_exact_as_stock(
    level: str,
    dtype: mx.Dtype,
    per_channel: bool,
    tokens: int,
    batch: int,
    key_heads: int,
    each: int,
    key_dim: int,
    dim: int,
    seed: int,
) -> None:
    x = inputs(
        tokens,
        batch=batch,
        key_heads=key_heads,
        heads=key_heads * each,
        key_dim=key_dim,
        dim=dim,
        per_channel=per_channel,
        dtype=dtype,
        seed=seed,
    )
    y, state = vivace_cpu.gated_delta(*x)
    exact_y, exact_state = truth(*x)
    assert y.dtype == dtype
    assert state.dtype == mx.float32
    # Sums of dozens of float32 numbers: some units in the last place, and the rounding of y to its dtype.
    assert error_of_largest(y, exact_y) <= 1e-6 + ULP[dtype]
    assert error_of_largest(state, exact_state) <= 1e-6


@pytest.mark.parametrize("tokens", [1, 5, 33])
def test_is_no_less_exact_than_the_forms_in_mlx(level: str, tokens: int) -> None:
    x = inputs(tokens, key_dim=64, dim=64)
    exact, exact_state = truth(*x)
    y, state = vivace_cpu.gated_delta(*x)
    q, k, v, g, beta, before = x
    in_mlx = ours_in_mlx.gated_delta_chunked(q, k, v, g, beta, before)
    for other, other_state in (stock.gated_delta_ops(*x), in_mlx):
        assert error_of_largest(y, exact) <= 1.5 * error_of_largest(other, exact) + 2 * ULP[mx.float32]
        assert (
            error_of_largest(state, exact_state)
            <= 1.5 * error_of_largest(other_state, exact_state) + 2 * ULP[mx.float32]
        )


@pytest.mark.parametrize("per_channel", [False, True])
def test_pieces_of_a_prompt_and_other_rows_change_nothing(level: str, per_channel: bool) -> None:
    q, k, v, g, beta, state = inputs(60, batch=2, per_channel=per_channel)
    whole, last = vivace_cpu.gated_delta(q, k, v, g, beta, state)
    carried, pieces = state, []
    for start, stop in ((0, 3), (3, 4), (4, 21), (21, 60)):
        y, carried = vivace_cpu.gated_delta(*(x[:, start:stop] for x in (q, k, v, g, beta)), carried)
        pieces.append(y)
    assert mx.allclose(mx.concatenate(pieces, axis=1), whole, rtol=1e-5, atol=1e-6)
    assert mx.allclose(carried, last, rtol=1e-5, atol=1e-6)
    alone, alone_state = vivace_cpu.gated_delta(*(x[1:] for x in (q, k, v, g, beta, state)))
    assert mx.array_equal(alone, whole[1:])
    assert mx.array_equal(alone_state, last[1:])
    many, many_state = vivace_cpu.gated_delta(
        *(mx.tile(x, (7,) + (1,) * (x.ndim - 1)) for x in (q, k, v, g, beta, state))
    )
    assert mx.array_equal(many[12:], whole)
    assert mx.array_equal(many_state[12:], last)


@pytest.mark.parametrize("tokens", [6, 40])
def test_masked_tokens_change_nothing(level: str, tokens: int) -> None:
    q, k, v, g, beta, state = inputs(tokens, batch=2)
    lengths = [tokens - 3, 0]
    mask = mx.arange(tokens)[None] < mx.array(lengths)[:, None]
    for x in (q, k, v, g, beta):
        x[0, tokens - 2 :] = float("nan")
    y, last = vivace_cpu.gated_delta(q, k, v, g, beta, state, mask)
    alone, alone_last = vivace_cpu.gated_delta(*(x[:1, : lengths[0]] for x in (q, k, v, g, beta)), state[:1])
    assert mx.allclose(y[:1, : lengths[0]], alone, rtol=1e-5, atol=1e-6)
    assert mx.allclose(last[:1], alone_last, rtol=1e-5, atol=1e-6)
    assert mx.array_equal(last[1:], state[1:])


@pytest.mark.parametrize("tokens", [2, 20])
@pytest.mark.parametrize("dtype", DTYPES)
def test_slices_of_one_projection(level: str, dtype: mx.Dtype, tokens: int) -> None:
    """As after the convolution of a layer: [B, T, C] cut into q, k and v."""
    together = mx.random.normal((2, tokens, 2 * 2 * 32 + 4 * 24 + 5)).astype(dtype)
    q, k = (together[..., i * 64 : (i + 1) * 64].reshape(2, tokens, 2, 32) for i in range(2))
    v = together[..., 128:224].reshape(2, tokens, 4, 24)
    a, b = (mx.random.normal((2, tokens, 9))[..., i : i + 4] for i in (0, 5))
    a_log, dt_bias, state = (
        mx.random.normal((4,)),
        mx.random.normal((4,)).astype(dtype),
        mx.random.normal((2, 4, 24, 32)),
    )
    normal_q, normal_k = stock.normalize_qk(q.astype(mx.float32), k.astype(mx.float32), inv_scale=32**-0.5, eps=1e-6)
    exact = stock.gated_delta_update(normal_q, normal_k, v.astype(mx.float32), a, b, a_log, dt_bias, state)
    ours = vivace_cpu.gated_delta_update(q, k, v, a, b, a_log, dt_bias, state, normalize_eps=1e-6)
    assert error_of_largest(ours[0], float64(exact[0])) <= 2e-6 + ULP[dtype]
    assert mx.allclose(ours[1], exact[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("options", [{}, {"lower_bound": -5.0}, {"allow_neg_eigval": True}])
def test_gates_are_those_of_mlx_lm(level: str, per_channel: bool, options: dict[str, float]) -> None:
    q, k, v, _, _, state = inputs(11)
    a = 4 * mx.random.normal((1, 11, 4, 32)[: 4 if per_channel else 3])
    a_log = mx.random.normal((4, 1) if per_channel else (4,))
    dt_bias = mx.random.normal((4, 32) if per_channel else (4,))
    args = [q, k, v, a, 3 * mx.random.normal((1, 11, 4)), a_log, dt_bias, state]
    for mine, theirs in zip(
        vivace_cpu.gated_delta_update(*args, **options), stock.gated_delta_update(*args, **options), strict=True
    ):
        assert mx.allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_states_of_other_dtypes_none_and_no_tokens(level: str) -> None:
    *x, state = inputs(9)
    y, _ = vivace_cpu.gated_delta(*x, None)
    assert mx.array_equal(y, vivace_cpu.gated_delta(*x, mx.zeros_like(state))[0])
    assert vivace_cpu.gated_delta(*x, state.astype(mx.bfloat16))[1].dtype == mx.bfloat16
    y, same = vivace_cpu.gated_delta(*(part[:, :0] for part in x), state)
    assert y.shape == (1, 0, 4, 40)
    assert mx.array_equal(same, state)
    assert mx.all(vivace_cpu.gated_delta(*(part[:, :0] for part in x))[1] == 0)
    y, none = vivace_cpu.gated_delta(*(part[:0] for part in x), state[:0])
    assert y.shape == (0, 9, 4, 40)
    assert none.shape == (0, 4, 40, 32)


@pytest.mark.parametrize("tokens", [3, 17])
def test_nan_stays_in_its_head_and_comes_no_sooner(level: str, tokens: int) -> None:
    q, k, v, g, beta, state = inputs(tokens, batch=2)
    v[0, 2, 1, 5] = float("nan")
    y, last = vivace_cpu.gated_delta(q, k, v, g, beta, state)
    wrong = np.argwhere(np.isnan(float64(y)))
    assert wrong[:, 1].min() == 2
    assert (wrong[:, [0, 2, 3]] == [0, 1, 5]).all()
    assert np.isnan(float64(last)).sum() == 32


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 150)), seed=st.integers(0, 1000))
def test_gated_norm_is_qwens(level: str, dtype: mx.Dtype, shape: tuple[int, ...], seed: int) -> None:
    keys = mx.random.split(mx.random.key(seed), 3)
    x, gate = (mx.random.normal(shape, key=key).astype(dtype) for key in keys[:2])
    layer = Qwen3NextRMSNormGated(shape[-1], 1e-6)
    layer.weight = mx.random.normal(shape[-1:], key=keys[2]).astype(dtype)
    values, z = float64(x), float64(gate)
    exact = values / np.sqrt((values**2).mean(-1, keepdims=True) + 1e-6) * float64(layer.weight) * z / (1 + np.exp(-z))
    ours = vivace_cpu.gated_norm(x, layer.weight, gate, 1e-6)
    assert error_of_largest(ours, exact) <= 1.1 * error_of_largest(layer(x, gate), exact) + 2 * ULP[dtype]
    by_sigmoid = vivace_cpu.gated_norm(x[:, ::2], layer.weight, gate[:, ::2], 1e-6, sigmoid=True)
    assert error_of_largest(by_sigmoid * gate[:, ::2], exact[:, ::2]) <= 3 * ULP[dtype]


def test_wrong_inputs_are_refused() -> None:
    q, k, v, g, beta, state = inputs(3)
    with pytest.raises(ValueError, match="multiple"):
        vivace_cpu.gated_delta(q, k, v[:, :, :3], g[..., :3], beta[..., :3])
    with pytest.raises(ValueError, match="decay"):
        vivace_cpu.gated_delta(q, k, v, g[:, :2], beta, state)
    with pytest.raises(ValueError, match="state"):
        vivace_cpu.gated_delta(q, k, v, g, beta, state.swapaxes(2, 3))
    with pytest.raises(ValueError, match="mask"):
        vivace_cpu.gated_delta(q, k, v, g, beta, state, mx.ones((1, 3)))
    with pytest.raises(ValueError, match="A_log"):
        vivace_cpu.gated_delta_update(q, k, v, g, beta, mx.zeros(3), mx.zeros(4))
    with pytest.raises(ValueError, match="weight"):
        vivace_cpu.gated_norm(v, mx.ones(3), v, 1e-6)
