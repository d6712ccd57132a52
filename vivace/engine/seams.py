"""How our caches and kernels get into mlx-lm's models, which stay as they are.

Model modules look functions up by name in their own globals, so a function is replaced there, in modules that are
loaded, where it still is mlx-lm's:

- `scaled_dot_product_attention`: rows of a batch attend to their own slabs; on a CPU, where MLX fuses nothing, ours.
- `gated_delta_update`: mlx-lm has a kernel for Metal only and loops over time elsewhere.
- `swiglu`, `precise_swiglu` (CPU): MLX's exponential is scalar there. (Not `mlx.nn.silu`: other functions of mlx-lm
  call it inside `mx.compile(shapeless=True)`, where ours cannot be traced.) With the native kernels `swiglu_oai` too.

And layers are exchanged in the model itself, on a CPU: with the native kernels all that they can compute, without them
depthwise `Conv1d`, which MLX runs channel by channel, and dense layers, which are split over the cores.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_map
from mlx_lm.models import activations, base
from mlx_lm.models import gated_delta as delta

from vivace.engine.cache.ragged import RaggedRows
from vivace.engine.native.layers import Kernels, native_layer
from vivace.kernels.attention import attention
from vivace.kernels.conv import depthwise_conv1d
from vivace.kernels.exponential import precise_swiglu, swiglu
from vivace.kernels.gated_delta import gated_delta_update
from vivace.kernels.split import split_layer

Function = Callable[..., Any]

_stock_attention = base.scaled_dot_product_attention
_STOCK: dict[str, Function] = {
    "scaled_dot_product_attention": _stock_attention,
    "gated_delta_update": delta.gated_delta_update,
    "swiglu": activations.swiglu,
    "precise_swiglu": activations.precise_swiglu,
    "swiglu_oai": activations.swiglu_oai,
}
_installed: set[Function] = set()


def on_cpu() -> bool:
    """Whether models run on the CPU."""
    return bool(mx.default_device() == mx.cpu)


@dataclass(frozen=True)
class Means:
    """What computes a model on a CPU: the native kernels, or without them so many MLX streams."""

    kernels: Kernels | None = None
    streams: int = 1


STOCK = Means()


def install_seams(model: nn.Module, means: Means = STOCK) -> None:
    """Let a loaded model, and what its module shares with others, use our functions.

    Call it on the thread that will run the model.
    """
    replacements: dict[str, Function] = {
        "scaled_dot_product_attention": _row_by_row(_stock_attention),
        "gated_delta_update": gated_delta_update,
    }
    if means.kernels:
        ops = means.kernels.ops
        replacements = {
            "scaled_dot_product_attention": _native_attention(ops),
            "gated_delta_update": ops.gated_delta_update,
            "swiglu": ops.swiglu,
            "precise_swiglu": lambda h, gate, x: ops.swiglu(gate, x),
            "swiglu_oai": lambda gate, x, alpha=1.702, limit=7.0: ops.clipped_swiglu(gate, x, alpha=alpha, limit=limit),
        }
    elif on_cpu():
        replacements["scaled_dot_product_attention"] = _row_by_row(_plain_attention)
        replacements |= {"swiglu": swiglu, "precise_swiglu": precise_swiglu}
    _replace(replacements)
    if on_cpu():
        _exchange_layers(model, means)


def _replace(replacements: dict[str, Function]) -> None:
    for module in [module for name, module in sys.modules.items() if name.startswith("mlx_lm.models.")]:
        for name, ours in replacements.items():
            present = getattr(module, name, None)
            if present is _STOCK[name] or present in _installed:
                setattr(module, name, ours)
    _installed.update(replacements.values())


def _row_by_row(attend: Function) -> Function:
    """As mlx-lm's function of that name; `keys` may be the rows of a batch."""

    def attention(
        queries: mx.array, keys: Any, values: Any, cache: Any, scale: float, mask: Any, sinks: Any = None
    ) -> Any:
        if not isinstance(keys, RaggedRows):
            return attend(queries, keys, values, cache, scale, mask, sinks)
        rows = enumerate(keys.rows())
        return mx.concatenate([attend(queries[i : i + 1], k, v, None, scale, None, sinks) for i, (k, v) in rows])

    return attention


def _plain_attention(
    queries: mx.array, keys: mx.array, values: mx.array, cache: Any, scale: float, mask: Any, sinks: mx.array | None
) -> mx.array:
    """In mx operations, for a CPU without native kernels."""
    if sinks is None and not hasattr(cache, "bits") and (mask is None or isinstance(mask, str)):
        return attention(queries, keys, values, scale=scale, causal=mask is not None)
    result: mx.array = _stock_attention(queries, keys, values, cache, scale, mask, sinks)
    return result


def _native_attention(ops: Any) -> Function:
    def attention(
        queries: mx.array, keys: Any, values: Any, cache: Any, scale: float, mask: Any, sinks: Any = None
    ) -> Any:
        if isinstance(keys, RaggedRows):
            spans = keys.keys, keys.values, keys.starts, keys.ends
            return ops.ragged_attention(queries, *spans, scale=scale, sinks=sinks)
        if hasattr(cache, "bits"):
            return _stock_attention(queries, keys, values, cache, scale, mask, sinks)
        causal = isinstance(mask, str)
        mask = None if causal else mask
        return ops.attention(queries, keys, values, scale=scale, causal=causal, mask=mask, sinks=sinks)

    return attention


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


def _exchange_layers(model: nn.Module, means: Means) -> None:
    others = [mx.new_stream(mx.cpu) for _ in range(means.streams - 1)]
    streams = [mx.default_stream(mx.cpu), *others]

    made: dict[int, nn.Module] = {}  # a layer that stands in several places stays one

    def exchanged(layer: nn.Module) -> nn.Module:
        if id(layer) not in made:
            made[id(layer)] = exchange(layer)
        return made[id(layer)]

    def exchange(layer: nn.Module) -> nn.Module:
        if isinstance(layer, nn.Conv1d) and _is_plain_depthwise(layer):
            return DepthwiseConv1d(layer)
        if means.kernels:
            return native_layer(layer, means.kernels)
        return split_layer(layer, streams) if others else layer

    model.update_modules(tree_map(exchanged, model.leaf_modules(), is_leaf=nn.Module.is_module))


def _is_plain_depthwise(convolution: nn.Conv1d) -> bool:
    channels, _, per_group = convolution.weight.shape
    plain = convolution.padding == 0 and convolution.stride == 1 and convolution.dilation == 1
    return bool(per_group == 1 and convolution.groups == channels and plain)
