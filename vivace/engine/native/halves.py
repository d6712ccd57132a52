"""The halves of a decoder layer: what mixes tokens (attention or Gated DeltaNet), and the feed-forward.

Each is a function (x, mask, cache) → x with the half's result added: one fused node where its parts are known and the
kernels have them, else as mlx-lm wrote it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.cache import ArraysCache

from vivace.engine.cache.ragged import RaggedKV
from vivace.engine.cache.slab import Slab
from vivace.engine.native.layers import Kernels, NativeRope

Half = Callable[[mx.array, Any, Any], mx.array]


@dataclass(frozen=True)
class Parts:
    """A decoder layer taken apart: what mixes, what feeds forward, and the norms before and behind each.

    `gated`: the query projection also makes a gate on the attention's output.
    """

    mixer: nn.Module
    mlp: nn.Module
    mix_norm: nn.Module
    feed_norm: nn.Module
    mix_post: nn.Module | None = None
    feed_post: nn.Module | None = None
    activation: str = "swiglu"
    gated: bool = False


def mixing(parts: Parts, kernels: Kernels) -> Half:
    """Attention, or Gated DeltaNet."""
    if all(name in parts.mixer for name in ("q_proj", "k_proj", "v_proj", "o_proj")):
        return _attention(parts, kernels)
    if type(parts.mixer).__name__ == "GatedDeltaNet":
        return _delta(parts, kernels)
    return _plain_mixing(parts)


def feeding(parts: Parts, kernels: Kernels) -> Half:
    """The feed-forward; a mixture of experts stays as it is."""
    projections = _handles(parts.mlp, "gate_proj", "up_proj", "down_proj")
    if projections is None:
        return _plain_feeding(parts)
    norms = _handle(parts.feed_norm), _handle(parts.feed_post)
    layer: Any = kernels.ops.Mlp(*norms, *projections, parts.activation, kernels.exact)
    return lambda x, mask, cache: layer(x)


def _plain_mixing(parts: Parts) -> Half:
    def mix(x: mx.array, mask: Any, cache: Any) -> mx.array:
        y: mx.array = parts.mixer(parts.mix_norm(x), mask, cache)
        return x + (parts.mix_post(y) if parts.mix_post else y)

    return mix


def _plain_feeding(parts: Parts) -> Half:
    def feed(x: mx.array, mask: Any, cache: Any) -> mx.array:
        y: mx.array = parts.mlp(parts.feed_norm(x))
        return x + (parts.feed_post(y) if parts.feed_post else y)

    return feed


def _attention(parts: Parts, kernels: Kernels) -> Half:
    plain, attention = _plain_mixing(parts), parts.mixer
    projections = _handles(attention, "q_proj", "k_proj", "v_proj", "o_proj")
    if projections is None or not isinstance(attention.get("rope"), NativeRope):
        return plain
    layer: Any = kernels.ops.Attention(
        _handle(parts.mix_norm),
        _handle(parts.mix_post),
        *projections,
        _handle(attention.get("q_norm")),
        _handle(attention.get("k_norm")),
        attention.rope.handle(),
        *_heads(attention),
        attention.scale,
        parts.gated,
        kernels.exact,
    )

    def mix(x: mx.array, mask: Any, cache: Any) -> mx.array:
        slabs = cache.slabs if type(cache) is RaggedKV else [cache]
        if len(slabs) != x.shape[0] or type(slabs[0]) is not Slab:
            return plain(x, mask, cache)
        return _append_and_attend(layer, x, slabs)

    return mix


def _append_and_attend(layer: Any, x: mx.array, slabs: list[Slab]) -> mx.array:
    """x [rows, n, dim]; each row's keys and values go into its slab."""
    n = x.shape[1]
    positions = [slab.offset for slab in slabs]
    loans = [slab.lend(n, layer.key_shape, layer.value_shape, x.dtype) for slab in slabs]
    keys, values, begins, firsts = (list(part) for part in zip(*loans, strict=True))
    written: list[mx.array] = layer(x, keys, values, begins, firsts, positions, slabs[0].window or 0)
    for i, slab in enumerate(slabs):
        slab.take_back(written[2 * i + 1], written[2 * i + 2], n)
    return written[0]


def _delta(parts: Parts, kernels: Kernels) -> Half:
    plain, delta = _plain_mixing(parts), parts.mixer
    projections = _handles(delta, "in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a", "out_proj")
    if projections is None or "bias" in delta.conv1d:
        return plain
    *inward, outward = projections
    layer: Any = kernels.ops.DeltaNet(
        _handle(parts.mix_norm),
        *inward,
        delta.conv1d.weight,
        delta.A_log,
        delta.dt_bias,
        kernels.ops.RmsNorm(delta.norm.weight, delta.norm.eps),
        outward,
        delta.num_k_heads,
        delta.head_k_dim,
        kernels.exact,
    )

    def mix(x: mx.array, mask: Any, cache: Any) -> mx.array:
        if mask is not None or type(cache) is not ArraysCache or cache.lengths is not None:
            return plain(x, mask, cache)
        states, cache.cache = list(cache.cache), [None, None]
        results: list[mx.array] = layer(x, *states)
        cache.cache = results[1:]
        cache.advance(x.shape[1])
        return results[0]

    return mix


def _handle(layer: nn.Module | None) -> Any:
    return None if layer is None else layer.handle()


def _handles(module: nn.Module, *names: str) -> list[Any] | None:
    """Of the layers with these names; None if one is missing or not ours."""
    layers = [module.get(name) for name in names]
    return [layer.handle() for layer in layers] if all(hasattr(layer, "handle") for layer in layers) else None


def _heads(attention: nn.Module) -> tuple[int, int]:
    """Query heads and key heads, under the names that mlx-lm's classes give them."""
    heads = getattr(attention, "n_heads", None) or attention.num_attention_heads
    return heads, getattr(attention, "n_kv_heads", None) or attention.num_key_value_heads
