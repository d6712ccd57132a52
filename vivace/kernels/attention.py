"""Attention for MLX's CPU build: two matrix products and a quick softmax, on blocks of queries.

The stock operation is not fused on the CPU either; it repeats nothing but computes all scores at once, masked ones
included, with a scalar exp. See docs/cpu.md for figures.
"""

import mlx.core as mx

from vivace.kernels.exponential import softmax

# Scores [H, queries, keys] computed at once: 1 MB of float32, which stays in the cache.
_SCORES = 1 << 18
# Far below any score, but finite: softmax of a row never sees inf - inf.
_MASKED = -1e30


def attention(q: mx.array, k: mx.array, v: mx.array, *, scale: float, causal: bool = True) -> mx.array:
    """Grouped-query attention without an array mask; queries are the last T of the S keys.

    Args:
        q: [B, H, T, D].
        k, v: [B, Hkv, S, D] and [B, Hkv, S, Dv]; H is a multiple of Hkv and S ≥ T.
        scale: factor of the scores.
        causal: query t sees keys up to S - T + t; otherwise all of them.

    Returns:
        [B, H, T, Dv] in q's dtype.

    Raises:
        ValueError: causal with more queries than keys.
    """
    queries, keys = q.shape[2], k.shape[2]
    if causal and queries > keys:
        raise ValueError(f"{queries} queries but only {keys} keys")
    past = keys - queries
    size = max(1, _SCORES // (q.shape[0] * q.shape[1] * keys))
    q = q * scale
    blocks = []
    for start in range(0, queries, size):
        stop = min(start + size, queries)
        seen = past + stop if causal else keys
        hidden = _hidden(past + start, past + stop) if causal and stop - start > 1 else None
        blocks.append(_block(q[:, :, start:stop], k[:, :, :seen], v[:, :, :seen], hidden))
    return blocks[0] if len(blocks) == 1 else mx.concatenate(blocks, axis=2)


def _block(q: mx.array, k: mx.array, v: mx.array, hidden: mx.array | None) -> mx.array:
    """The query heads of one key head are rows of one product: keys are neither repeated nor read twice."""
    batch, heads, queries, dim = q.shape
    kv_heads, keys = k.shape[1], k.shape[2]
    scores = q.reshape(batch, kv_heads, -1, dim) @ k.swapaxes(-1, -2)
    if hidden is not None:
        scores = (scores.reshape(batch, heads, queries, keys) + hidden).reshape(scores.shape)
    return (softmax(scores) @ v).reshape(batch, heads, queries, v.shape[-1])


def _hidden(start: int, stop: int) -> mx.array:
    """[stop - start, stop]: 0 where key ≤ query, else far below any score."""
    later = mx.arange(stop)[None, :] - mx.arange(start, stop)[:, None]
    return mx.minimum(mx.maximum(later, 0), 1).astype(mx.float32) * _MASKED
