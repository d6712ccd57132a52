from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_lm.models import gated_delta as stock
from mlx_lm.models.gated_delta import normalize_qk

from vivace.kernels import gated_delta as ours
from vivace.kernels.gated_delta import gated_delta_chunked, gated_delta_stepwise, gated_delta_update

Inputs = dict[str, mx.array]
Run = Callable[..., tuple[mx.array, mx.array]]


def inputs(
    tokens: int,
    *,
    batch: int = 1,
    key_heads: int = 2,
    value_heads: int = 4,
    key_dim: int = 32,
    value_dim: int = 16,
    seed: int = 0,
) -> Inputs:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> mx.array:
        return mx.array(rng.standard_normal(shape).astype(np.float32))

    q, k = (normal(batch, tokens, key_heads, key_dim) for _ in range(2))
    q, k = normalize_qk(q, k, inv_scale=key_dim**-0.5, eps=1e-6)
    decay = rng.uniform(0, 1, (batch, tokens, value_heads)) ** rng.choice([0.02, 0.3, 20.0], (1, 1, value_heads))
    return {
        "q": q,
        "k": k,
        "v": normal(batch, tokens, value_heads, value_dim),
        "g": mx.array(decay.astype(np.float32)),
        "beta": mx.array(rng.uniform(0, 1, (batch, tokens, value_heads)).astype(np.float32)),
        "state": normal(batch, value_heads, value_dim, key_dim),
    }


def reference(
    q: mx.array, k: mx.array, v: mx.array, g: mx.array, beta: mx.array, state: mx.array, mask: mx.array | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The recurrence as written in the paper, in float64."""
    repeat = v.shape[2] // k.shape[2]
    q64, k64 = (np.repeat(np.array(x, np.float64), repeat, axis=2) for x in (q, k))
    v64, g64, beta64, s = (np.array(x, np.float64) for x in (v, g, beta, state))
    y = np.zeros(v64.shape)
    for b, t, h in np.ndindex(v64.shape[:3]):
        if mask is not None and not mask[b, t].item():
            continue
        decayed = g64[b, t, h] * s[b, h]
        delta = beta64[b, t, h] * (v64[b, t, h] - decayed @ k64[b, t, h])
        s[b, h] = decayed + np.outer(delta, k64[b, t, h])
        y[b, t, h] = s[b, h] @ q64[b, t, h]
    return y, s


def error(got: tuple[mx.array, mx.array], want: tuple[np.ndarray, np.ndarray]) -> float:
    return max(float(np.abs(np.array(a, np.float64) - b).max()) for a, b in zip(got, want, strict=True))


@settings(max_examples=25, deadline=None)
@given(
    tokens=st.integers(1, 75),
    batch=st.integers(1, 2),
    heads=st.sampled_from([(1, 1), (2, 2), (2, 4), (1, 3)]),
    dims=st.sampled_from([(8, 8), (32, 16), (16, 32)]),
    chunk=st.sampled_from([1, 2, 16, 32, 64]),
    seed=st.integers(0, 99),
)
def test_chunks_are_as_exact_as_mlx_lms_loop(
    tokens: int, batch: int, heads: tuple[int, int], dims: tuple[int, int], chunk: int, seed: int
) -> None:
    x = inputs(
        tokens, batch=batch, key_heads=heads[0], value_heads=heads[1], key_dim=dims[0], value_dim=dims[1], seed=seed
    )
    want = reference(**x)
    theirs = error(stock.gated_delta_ops(**x), want)
    assert error(gated_delta_chunked(**x, chunk=chunk), want) <= 3 * theirs + 3e-6
    assert theirs < 1e-5


@pytest.mark.parametrize("tokens", [1, 2, 5])
def test_steps_are_as_exact_as_mlx_lms_loop(tokens: int) -> None:
    x = inputs(tokens, batch=3)
    assert error(gated_delta_stepwise(**x), reference(**x)) < 2e-6


@pytest.mark.parametrize("tokens", [1, 31, 32, 33, 70])
def test_without_a_state_it_starts_at_zero(tokens: int) -> None:
    x = inputs(tokens)
    x["state"] = mx.zeros_like(x["state"])
    want = gated_delta_chunked(**x)
    del x["state"]
    assert all(mx.array_equal(a, b) for a, b in zip(gated_delta_chunked(**x), want, strict=True))


@pytest.mark.parametrize("cuts", [[1], [32], [7, 20], [64], [3, 4, 5, 69]])
def test_a_prompt_in_pieces_is_the_whole_prompt(cuts: list[int]) -> None:
    x = inputs(70)
    state, parts = x.pop("state"), []
    whole = gated_delta_chunked(**x, state=state)
    for start, stop in zip([0, *cuts], [*cuts, 70], strict=True):
        piece = {name: value[:, start:stop] for name, value in x.items()}
        y, state = (gated_delta_stepwise if stop - start < 3 else gated_delta_chunked)(**piece, state=state)
        parts.append(y)
    assert mx.allclose(mx.concatenate(parts, axis=1), whole[0], rtol=1e-5, atol=1e-5)
    assert mx.allclose(state, whole[1], rtol=1e-5, atol=1e-5)


def test_computing_chunks_in_several_groups_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = inputs(130)
    whole = gated_delta_chunked(**x)
    monkeypatch.setattr(ours, "_ELEMENTS_ON_CPU", 1)
    grouped = gated_delta_chunked(**x)
    assert all(mx.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(grouped, whole, strict=True))


@pytest.mark.parametrize("run", [gated_delta_chunked, gated_delta_stepwise])
def test_masked_tokens_leave_the_state_alone(run: Run) -> None:
    x = inputs(40, batch=2)
    mask = mx.arange(40)[None, :] >= mx.array([[0], [13]])
    y, state = run(**x, mask=mask)
    want_y, want_state = reference(**x, mask=mask)
    assert np.abs(np.array(state) - want_state).max() < 5e-6
    assert np.abs(np.where(np.array(mask)[..., None, None], np.array(y) - want_y, 0)).max() < 5e-6


@pytest.mark.parametrize("decay", [0.0, 1e-45, 1e-30, 1e-6, 1.0])
@pytest.mark.parametrize("run", [gated_delta_chunked, gated_delta_stepwise])
def test_extreme_decays_are_exact(run: Run, decay: float) -> None:
    x = inputs(48)
    strong = mx.array(np.random.default_rng(1).uniform(size=x["g"].shape) < 0.3)
    x["g"] = mx.where(strong, decay, 0.98)
    assert error(run(**x), reference(**x)) < 5e-6


def test_the_same_key_again_and_again_stays_exact() -> None:
    """The overlap matrix is then all ones, and its powers reach 1e18: the inverse must not be built from them."""
    x = inputs(64)
    x["k"] = mx.broadcast_to(x["k"][:, :1], x["k"].shape)
    x["g"], x["beta"] = mx.ones_like(x["g"]), mx.ones_like(x["beta"])
    assert error(gated_delta_chunked(**x, chunk=64), reference(**x)) < 5e-6


@pytest.mark.parametrize("chunk", [0, -2, 3, 48])
def test_a_chunk_is_a_power_of_two(chunk: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        gated_delta_chunked(**inputs(4), chunk=chunk)


@pytest.mark.parametrize(
    ("tokens", "pieces"),
    [
        (5, [(0, 5, 8)]),
        (32, [(0, 32, 32)]),
        (70, [(0, 64, 32), (64, 70, 8)]),
        (160, [(0, 64, 32), (64, 128, 32), (128, 160, 32)]),
        (65, [(0, 64, 32), (64, 65, 1)]),
    ],
)
def test_the_tail_gets_a_chunk_of_its_own_size(tokens: int, pieces: list[tuple[int, int, int]]) -> None:
    assert ours._pieces(tokens, 32, 64) == pieces


class TestUpdate:
    """The function that takes the place of mlx-lm's."""

    @staticmethod
    def arguments(tokens: int, dtype: mx.Dtype = mx.float32, *, channels: bool = False) -> Inputs:
        x = inputs(tokens, batch=2)
        shape = (2, tokens, 4, 32) if channels else (2, tokens, 4)
        a, b = (mx.random.normal(s, key=mx.random.key(3)) for s in (shape, (2, tokens, 4)))
        dt_bias = mx.ones((4, 32)) if channels else mx.array([0.5, 1.0, -1.0, 0.0])
        a_log = mx.zeros((4, 1)) if channels else mx.array([-2.0, 0.0, 1.0, 2.5])
        names = {"q": x["q"], "k": x["k"], "v": x["v"], "a": a, "b": b}
        return {n: v.astype(dtype) for n, v in names.items()} | {"A_log": a_log, "dt_bias": dt_bias}

    @pytest.mark.parametrize("tokens", [1, 3, 4, 5, 50])
    @pytest.mark.parametrize("options", [{}, {"allow_neg_eigval": True}, {"lower_bound": -5.0}])
    @pytest.mark.parametrize("with_state", [True, False])
    def test_equals_mlx_lms(self, tokens: int, options: dict[str, float], with_state: bool) -> None:
        x = self.arguments(tokens)
        state = inputs(1, batch=2)["state"] if with_state else None
        got, want = (f(**x, state=state, **options) for f in (gated_delta_update, stock.gated_delta_update))
        for a, b in zip(got, want, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            assert mx.allclose(a, b, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("tokens", [1, 20])
    def test_half_precision_in_and_out_with_a_float32_state(self, tokens: int) -> None:
        x = self.arguments(tokens, mx.bfloat16)
        y, state = gated_delta_update(**x)
        want, want_state = stock.gated_delta_update(**x)
        assert (y.dtype, state.dtype) == (want.dtype, want_state.dtype) == (mx.bfloat16, mx.float32)
        assert mx.allclose(y, want, rtol=0.05, atol=0.05)

    @pytest.mark.parametrize("tokens", [1, 6])
    def test_decays_per_channel_are_mlx_lms(self, tokens: int) -> None:
        x = self.arguments(tokens, channels=True)
        got, want = gated_delta_update(**x), stock.gated_delta_update(**x)
        assert all(mx.array_equal(a, b) for a, b in zip(got, want, strict=True))
