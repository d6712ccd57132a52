"""How our caches and kernels get into mlx-lm's models, which stay as they are.

Model modules look functions up by name in their own globals, so a function is replaced there, in modules that are
loaded, where it still is mlx-lm's:

- `scaled_dot_product_attention`: rows of a batch attend to their own slabs; on a CPU, where MLX fuses nothing, ours.
- `gated_delta_update`: mlx-lm has a kernel for Metal only and loops over time elsewhere.
- `swiglu`, `precise_swiglu` (CPU): MLX's exponential is scalar there. (Not `mlx.nn.silu`: other functions of mlx-lm
  call it inside `mx.compile(shapeless=True)`, where ours cannot be traced.)

And layers are exchanged in the model itself, on a CPU: depthwise `Conv1d`, which MLX runs channel by channel, and dense
layers, which are split over the cores.
"""

import sys
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_map
from mlx_lm.models import activations, base
from mlx_lm.models import gated_delta as delta

from vivace.engine.cache.ragged import RaggedRows
from vivace.kernels.attention import attention
from vivace.kernels.conv import depthwise_conv1d
from vivace.kernels.exponential import precise_swiglu, swiglu
from vivace.kernels.gated_delta import gated_delta_update
from vivace.kernels.split import split_layer

Function = Callable[..., Any]

_stock_attention = base.scaled_dot_product_attention
_stock_gated_delta = delta.gated_delta_update
_stock_swiglu = activations.swiglu
_stock_precise_swiglu = activations.precise_swiglu


def on_cpu() -> bool:
    """Whether models run on the CPU."""
    return bool(mx.default_device() == mx.cpu)


def install_seams(model: nn.Module, streams: int = 1) -> None:
    """Let a loaded model, and what its module shares with others, use our functions.

    `streams`: on a CPU, dense layers are split over so many MLX streams. Call it on the thread that will run the model.
    """
    replacements: list[tuple[str, Function, Function]] = [
        ("scaled_dot_product_attention", _stock_attention, _attention),
        ("gated_delta_update", _stock_gated_delta, gated_delta_update),
    ]
    if on_cpu():
        replacements += [("swiglu", _stock_swiglu, swiglu), ("precise_swiglu", _stock_precise_swiglu, precise_swiglu)]
        others = [mx.new_stream(mx.cpu) for _ in range(streams - 1)]
        _exchange_layers(model, [mx.default_stream(mx.cpu), *others])
    for module in [module for name, module in sys.modules.items() if name.startswith("mlx_lm.models.")]:
        for name, stock, ours in replacements:
            if getattr(module, name, None) is stock:
                setattr(module, name, ours)


def _attention(
    queries: mx.array, keys: Any, values: Any, cache: Any, scale: float, mask: Any, sinks: mx.array | None = None
) -> mx.array:
    """As mlx-lm's function of that name; `keys` may be the rows of a batch."""
    if isinstance(keys, RaggedRows):
        pairs = enumerate(keys.rows)
        return mx.concatenate([_attention(queries[i : i + 1], k, v, None, scale, None, sinks) for i, (k, v) in pairs])
    plain = sinks is None and not hasattr(cache, "bits") and (mask is None or isinstance(mask, str))
    if plain and on_cpu():
        return attention(queries, keys, values, scale=scale, causal=mask is not None)
    result: mx.array = _stock_attention(queries, keys, values, cache, scale, mask, sinks)
    return result


class DepthwiseConv1d(nn.Module):  # type: ignore[misc]  # mlx is not typed
    """A depthwise `nn.Conv1d` without padding, computed as shifted products."""

    def __init__(self, convolution: nn.Conv1d) -> None:
        super().__init__()
        self.weight = convolution.weight
        if "bias" in convolution:
            self.bias = convolution.bias

    def __call__(self, x: mx.array) -> mx.array:
        y = depthwise_conv1d(x, self.weight)
        return y + self.bias if "bias" in self else y


def _exchange_layers(model: nn.Module, streams: list[mx.Stream]) -> None:
    def exchanged(layer: nn.Module) -> nn.Module:
        if isinstance(layer, nn.Conv1d) and _is_plain_depthwise(layer):
            return DepthwiseConv1d(layer)
        return split_layer(layer, streams) if len(streams) > 1 else layer

    model.update_modules(tree_map(exchanged, model.leaf_modules(), is_leaf=nn.Module.is_module))


def _is_plain_depthwise(convolution: nn.Conv1d) -> bool:
    channels, _, per_group = convolution.weight.shape
    plain = convolution.padding == 0 and convolution.stride == 1 and convolution.dilation == 1
    return bool(per_group == 1 and convolution.groups == channels and plain)
