"""Decoder layers whose halves are one node of MLX's graph each, where their classes are known.

A node costs some microseconds to build and to run, which is what small models spend most of their time on. What a
fused half cannot do (a mask of its own, a cache of another kind) runs as mlx-lm wrote it.
"""

import sys
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from vivace.engine.native.halves import Half, Parts, feeding, mixing
from vivace.engine.native.layers import Kernels


@dataclass(frozen=True)
class Family:
    """What a module of mlx-lm calls its decoder layer, and how that differs from Llama's.

    `sandwich`: norms also behind attention and feed-forward, as in Gemma. `gated`: the query projection also makes a
    gate on the attention's output, as in Qwen3-Next.
    """

    block: str
    activation: str = "swiglu"
    sandwich: bool = False
    gated: bool = False


FAMILIES = {
    "llama": Family("TransformerBlock"),
    "qwen2": Family("TransformerBlock"),
    "qwen3": Family("TransformerBlock"),
    "seed_oss": Family("TransformerBlock"),
    "qwen3_moe": Family("Qwen3MoeDecoderLayer"),
    "qwen3_next": Family("Qwen3NextDecoderLayer", gated=True),
    "qwen3_5": Family("DecoderLayer", gated=True),
    "gemma3_text": Family("TransformerBlock", activation="geglu", sandwich=True),
}


class FusedBlock(nn.Module):  # type: ignore[misc]  # mlx is not typed
    """Stands for a decoder layer; whatever else is asked of it, the layer answers."""

    def __init__(self, block: nn.Module, mix: Half, feed: Half) -> None:
        super().__init__()
        self.block = block
        self._mix, self._feed = mix, feed

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name) if name in self or "block" not in self else getattr(self["block"], name)

    def __call__(self, x: mx.array, mask: Any = None, cache: Any = None) -> mx.array:
        h = self._mix(x, mask, cache)
        return self._feed(h, None, None)


def fuse(model: nn.Module, kernels: Kernels) -> None:
    """Exchange the decoder layers of known classes. The weights must be in memory, and the single layers ours."""
    families = {
        getattr(sys.modules[name], family.block): family
        for module, family in FAMILIES.items()
        if (name := f"mlx_lm.models.{module}") in sys.modules and not _clips(family, kernels)
    }

    for _, module in model.named_modules():
        if any(type(layer) in families for layer in module.get("layers", [])):
            module.layers = [
                _fused(layer, families[type(layer)], kernels) if type(layer) in families else layer
                for layer in module.layers
            ]


def _clips(family: Family, kernels: Kernels) -> bool:
    """Gemma keeps its residuals within the range of float16, which fused halves do not."""
    return family.sandwich and kernels.dtype == mx.float16


def _fused(block: nn.Module, family: Family, kernels: Kernels) -> nn.Module:
    parts = _taken_apart(block, family)
    return FusedBlock(block, mixing(parts, kernels), feeding(parts, kernels))


def _taken_apart(block: nn.Module, family: Family) -> Parts:
    mixer = block.self_attn if "self_attn" in block else block.linear_attn
    if family.sandwich:
        before = block.input_layernorm, block.pre_feedforward_layernorm
        behind = block.post_attention_layernorm, block.post_feedforward_layernorm
        return Parts(mixer, block.mlp, *before, *behind, activation=family.activation, gated=family.gated)
    norms = block.input_layernorm, block.post_attention_layernorm
    return Parts(mixer, block.mlp, *norms, activation=family.activation, gated=family.gated)
