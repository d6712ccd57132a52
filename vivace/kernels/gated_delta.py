"""Gated DeltaNet without Metal: the recurrence of Yang et al. (arXiv 2412.06464), in matrix products.

Per head, with state S [Dv, Dk], decay g and step size beta:

    S_t = g_t S_{t-1} + beta_t (v_t - g_t S_{t-1} k_t) k_t^T        y_t = S_t q_t

mlx-lm walks through a prompt token by token. In the WY form the C updates of a chunk are one triangular system, so a
prompt costs a few batched products for all its chunks together and one product a chunk for the state.
"""

from functools import cache
from typing import NamedTuple

import mlx.core as mx
from mlx_lm.models import gated_delta as stock

from vivace.kernels.exponential import exp

Pair = tuple[mx.array, mx.array]

# Taken now: the engine puts the function below in its place (engine/seams.py).
_stock_update = stock.gated_delta_update


class _Inputs(NamedTuple):
    """[B, T, …] each, as `gated_delta_chunked` describes them."""

    q: mx.array
    k: mx.array
    v: mx.array
    g: mx.array
    beta: mx.array

    def cut(self, start: int, stop: int) -> "_Inputs":
        return _Inputs._make(x[:, start:stop] for x in self)


# Measured on 2 cores (benchmarks/gated_delta.py).
_CHUNK = 32
# Elements of v whose chunks are computed together: on a CPU what stays in the cache, on a GPU what bounds the memory.
_ELEMENTS_ON_CPU, _ELEMENTS_ON_GPU = 1 << 17, 1 << 24
# Up to here steps one after the other cost less than one small chunk.
_STEPWISE = 4
# The logarithm of a decay that underflowed to 0 stands for this, float32's smallest normal number.
_SMALLEST_DECAY = 1.2e-38


def gated_delta_update(
    q: mx.array,
    k: mx.array,
    v: mx.array,
    a: mx.array,
    b: mx.array,
    A_log: mx.array,  # noqa: N803 (the signature is mlx-lm's)
    dt_bias: mx.array,
    state: mx.array | None = None,
    mask: mx.array | None = None,
    *,
    use_kernel: bool = True,
    lower_bound: float | None = None,
    allow_neg_eigval: bool = False,
) -> Pair:
    """In place of `mlx_lm.models.gated_delta.gated_delta_update`, same arguments and results.

    Metal and per-channel decays (Kimi) stay with mlx-lm; short runs go step by step, prompts in chunks. With
    `use_kernel=False` (training) Metal too comes here, where gradients exist.

    Returns:
        y [B, T, Hv, Dv] in v's dtype and the state [B, Hv, Dv, Dk] in float32, or its own dtype if one was given.
    """
    on_metal = use_kernel and mx.metal.is_available() and mx.default_device() == mx.gpu
    if on_metal or a.ndim == 4:
        options = {"use_kernel": use_kernel, "lower_bound": lower_bound, "allow_neg_eigval": allow_neg_eigval}
        result: Pair = _stock_update(q, k, v, a, b, A_log, dt_bias, state, mask, **options)
        return result
    beta = mx.sigmoid(b) * 2.0 if allow_neg_eigval else mx.sigmoid(b)
    if lower_bound is None:
        g = stock.compute_g(A_log, a, dt_bias)
    else:
        g = stock.compute_lower_bound_g(A_log, a, dt_bias, lower_bound)
    run = gated_delta_stepwise if q.shape[1] <= _STEPWISE else gated_delta_chunked
    return run(q, k, v, g, beta, state, mask)


def gated_delta_stepwise(
    q: mx.array,
    k: mx.array,
    v: mx.array,
    g: mx.array,
    beta: mx.array,
    state: mx.array | None = None,
    mask: mx.array | None = None,
) -> Pair:
    """One token after the other, six operations each; arguments and results as `gated_delta_chunked`."""
    inputs, carried, state_dtype = _prepared(_Inputs(q, k, v, g, beta), state, mask)
    ys = []
    for token in [inputs] if q.shape[1] == 1 else [inputs.cut(t, t + 1) for t in range(q.shape[1])]:
        y, carried = _step(token, carried)
        ys.append(y)
    y = ys[0] if len(ys) == 1 else mx.concatenate(ys, axis=1)
    return y.astype(v.dtype), carried.astype(state_dtype)


def _step(inputs: _Inputs, state: mx.array) -> Pair:
    """One token ([B, 1, …]) and state [B, Hv, Dv, Dk] → y [B, 1, Hv, Dv], state.

    The value heads that share a key head are stacked as rows of one matrix: nothing is repeated.
    """
    q, k, v = inputs.q.swapaxes(1, 2), inputs.k.swapaxes(1, 2), inputs.v
    batch, key_heads, _, key_dim = k.shape
    decayed = (state * inputs.g.reshape(batch, -1, 1, 1)).reshape(batch, key_heads, -1, key_dim)
    recalled = (k @ decayed.swapaxes(-1, -2)).reshape(v.shape)
    delta = (v - recalled) * inputs.beta[..., None]
    new = mx.addmm(decayed, delta.reshape(batch, key_heads, -1, 1), k)
    return (q @ new.swapaxes(-1, -2)).reshape(v.shape), new.reshape(state.shape)


def gated_delta_chunked(
    q: mx.array,
    k: mx.array,
    v: mx.array,
    g: mx.array,
    beta: mx.array,
    state: mx.array | None = None,
    mask: mx.array | None = None,
    chunk: int = _CHUNK,
) -> Pair:
    """Whole chunks together, then the tail in a smaller one; computes in float32.

    Args:
        q, k: [B, T, Hk, Dk], normalised and scaled (`normalize_qk`).
        v: [B, T, Hv, Dv]; Hv is a multiple of Hk.
        g: [B, T, Hv], decay in [0, 1], not its logarithm.
        beta: [B, T, Hv].
        state: [B, Hv, Dv, Dk]; zeros if None.
        mask: bool [B, T]; where it is False the state stays as it is and y means nothing.
        chunk: a power of two.

    Returns:
        y [B, T, Hv, Dv] in v's dtype; state in its own dtype, float32 if none was given.

    Raises:
        ValueError: chunk is not a power of two.
    """
    if chunk < 1 or chunk & (chunk - 1):
        raise ValueError(f"chunk must be a power of two, not {chunk}")
    inputs, carried, state_dtype = _prepared(_Inputs(q, k, v, g, beta), state, mask)
    ys = []
    for start, stop, size in _pieces(q.shape[1], chunk, _together(v, chunk)):
        y, carried = _chunks(inputs.cut(start, stop), carried, size)
        ys.append(y)
    y = ys[0] if len(ys) == 1 else mx.concatenate(ys, axis=1)
    return y.astype(v.dtype), carried.astype(state_dtype)


def _pieces(tokens: int, chunk: int, together: int) -> list[tuple[int, int, int]]:
    """(start, stop, chunk): runs of whole chunks, at most `together` tokens each, then the tail in one chunk of the
    smallest power of two that holds it."""
    whole = tokens // chunk * chunk
    pieces = [(start, min(start + together, whole), chunk) for start in range(0, whole, together)]
    if tokens > whole:
        pieces.append((whole, tokens, 1 << (tokens - whole - 1).bit_length()))
    return pieces


def _together(v: mx.array, chunk: int) -> int:
    """Tokens whose chunks are computed together, a multiple of `chunk`."""
    per_token = v.shape[0] * v.shape[2] * v.shape[3]
    elements = _ELEMENTS_ON_CPU if mx.default_device() == mx.cpu else _ELEMENTS_ON_GPU
    return max(1, elements // (per_token * chunk)) * chunk


def _prepared(inputs: _Inputs, state: mx.array | None, mask: mx.array | None) -> tuple[_Inputs, mx.array, mx.Dtype]:
    """All in float32, masked tokens so that they neither decay nor write; and the dtype of the final state."""
    inputs = _Inputs._make(x.astype(mx.float32) for x in inputs)
    if mask is not None:
        g = mx.where(mask[..., None], inputs.g, 1.0)
        inputs = inputs._replace(g=g, beta=mx.where(mask[..., None], inputs.beta, 0.0))
    if state is None:
        batch, _, heads, dim = inputs.v.shape
        state = mx.zeros((batch, heads, dim, inputs.q.shape[-1]))
    return inputs, state.astype(mx.float32), state.dtype


def _chunks(inputs: _Inputs, state: mx.array, size: int) -> Pair:
    """[B, T, …] in N chunks of `size` (the last may be short) → y [B, T, Hv, Dv] float32, state [B, Hv, Dv, Dk].

    Shapes below: [B, Hk, R, N, C, D] with R value heads a key head; R is 1 for what depends on keys only.
    """
    tokens, key_heads = inputs.q.shape[1:3]
    log_g = mx.log(mx.maximum(inputs.g, _SMALLEST_DECAY))
    q, k, v, log_g, beta = (_split(x, size, key_heads) for x in (*inputs[:3], log_g[..., None], inputs.beta[..., None]))
    between, since_start = _decays(log_g)
    lower, strictly_lower = _triangles(size)

    # What each token writes, once the earlier tokens of its chunk have written: (I + A)^-1 [beta v, beta decay k].
    overlap = beta * between * (k @ k.swapaxes(-1, -2)) * strictly_lower
    solved = _inverse(overlap) @ mx.concatenate([beta * v, (beta * since_start) * k], axis=-1)
    # What is read of it: inside the chunk, and (negated) of the state before the chunk.
    read = (between * (q @ k.swapaxes(-1, -2)) * lower) @ solved
    dim = v.shape[-1]
    own, query = read[..., :dim], since_start * q - read[..., dim:]

    # S' = S G + H: G keeps and erases, H writes.
    kept = between[..., -1, :, None] * k
    moved = solved.swapaxes(-1, -2) @ kept
    write = moved[..., :dim, :]
    keep = since_start[..., -1:, :] * mx.eye(k.shape[-1]) - moved[..., dim:, :]
    before, state = _carry(state.reshape(*write.shape[:3], dim, -1), keep, write)
    y = own + query @ before.swapaxes(-1, -2)
    y = y.transpose(0, 3, 4, 1, 2, 5).reshape(y.shape[0], -1, y.shape[1] * y.shape[2], dim)
    return y[:, :tokens], state.reshape(y.shape[0], -1, dim, k.shape[-1])


def _carry(state: mx.array, keep: mx.array, write: mx.array) -> Pair:
    """State before every chunk [B, Hk, R, N, Dv, Dk], and after the last: the only part that is sequential."""
    before = []
    for n in range(write.shape[3]):
        before.append(state)
        state = mx.addmm(write[:, :, :, n], state, keep[:, :, :, n])
    return mx.stack(before, axis=3), state


def _split(x: mx.array, size: int, key_heads: int) -> mx.array:
    """[B, T, Hk·R, D] → [B, Hk, R, N, C, D], contiguous; tokens added at the end neither decay nor write."""
    missing = -x.shape[1] % size
    if missing:
        x = mx.pad(x, [(0, 0), (0, missing), (0, 0), (0, 0)])
    x = x.reshape(x.shape[0], -1, size, key_heads, x.shape[2] // key_heads, x.shape[3])
    return mx.contiguous(x.transpose(0, 3, 4, 1, 2, 5))


def _decays(log_g: mx.array) -> Pair:
    """log g [..., C, 1] → decay from token j to token i [..., C, C] (1 above the diagonal) and from the chunk's start
    [..., C, 1].

    Sums every interval by itself: a difference of two cumulative sums loses digits after a strong decay.
    """
    _, strictly_lower = _triangles(log_g.shape[-2])
    return exp(mx.cumsum(log_g * strictly_lower, axis=-2)), exp(mx.cumsum(log_g, axis=-2))


@cache
def _triangles(size: int) -> Pair:
    """0/1 matrices [C, C], lower with and without the diagonal."""
    lower = mx.tril(mx.ones((size, size)))
    pair = lower, lower - mx.eye(size)
    mx.eval(pair)
    return pair


def _inverse(strictly_lower: mx.array) -> mx.array:
    """(I + A)^-1 for strictly lower A [..., C, C], C a power of two.

    X holds the inverses of the diagonal blocks of width w; with A's blocks between neighbours, X - X A X holds those
    of width 2w. As stable as forward substitution, unlike the powers of A.
    """
    size = strictly_lower.shape[-1]
    x = mx.eye(size) - strictly_lower * _between_neighbours(size, 1) if size > 1 else mx.ones_like(strictly_lower)
    width = 2
    while width < size:
        x = x - x @ ((strictly_lower * _between_neighbours(size, width)) @ x)
        width *= 2
    return x


@cache
def _between_neighbours(size: int, width: int) -> mx.array:
    """0/1 [C, C]: the lower left block of every diagonal block of width 2·width."""
    block = mx.arange(size) // width
    row, column = block[:, None], block[None, :]
    mask = ((row == column + 1) & (column % 2 == 0)).astype(mx.float32)
    mx.eval(mask)
    return mask
