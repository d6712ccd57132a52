"""Layers of mlx and mlx-lm, computed by our CPU kernels.

Each class here stands for one of theirs, is called the same way and has the same parameters under the same names, but
for quantized weights once they are packed. Weights stay as precise as the checkpoint has them (quantized, or in half
precision); activations are float32.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models import rope_utils, switch_layers


class Ops(Protocol):
    """The functions of `vivace_cpu`. (Its classes too: what they make is no array, which those who call them say.)"""

    def __getattr__(self, name: str) -> Callable[..., mx.array]: ...


@dataclass(frozen=True)
class Kernels:
    """The module `vivace_cpu`; whether quantized weights meet the activations as they are (`exact`) or rounded to int8;
    the dtype of the activations."""

    ops: Ops
    exact: bool = False
    dtype: mx.Dtype = mx.float32


class NativeLayer(nn.Module):  # type: ignore[misc]  # mlx is not typed
    """Parameters and plain attributes of the layer it stands for, which models may look at, and the kernels."""

    def __init__(self, layer: nn.Module, kernels: Kernels) -> None:
        super().__init__()
        for name, value in [*layer.items(), *vars(layer).items()]:
            if name not in vars(self):  # what every module has
                setattr(self, name, value)
        self._kernels = kernels


class NativeLinear(NativeLayer):
    """`nn.Linear`."""

    def __call__(self, x: mx.array) -> mx.array:
        return self._kernels.ops.matmul(x, self.weight, bias=self.get("bias"))

    def handle(self) -> Any:
        """For fused blocks."""
        return self._kernels.ops.Linear(self.weight, bias=self.get("bias"))


class PackedLayer(NativeLayer):
    """A layer whose weights are quantized: `pack` lays them out for the kernels, once, and lets go of the arrays."""

    def pack(self) -> int:
        """Bytes of the weights now."""
        parts = (self.pop(name, None) for name in ("weight", "scales", "biases"))
        form = {"group_size": self.group_size, "bits": self.bits, "mode": self.mode}
        self._packed: Any = self._kernels.ops.Packed(*parts, **form)
        return int(self._packed.nbytes)


class NativeQuantizedLinear(PackedLayer):
    """`nn.QuantizedLinear`."""

    def __call__(self, x: mx.array) -> mx.array:
        multiply = self._kernels.ops.quantized_matmul
        return multiply(x, self._packed, exact=self._kernels.exact, bias=self.get("bias"))

    def handle(self) -> Any:
        """For fused blocks."""
        return self._kernels.ops.Linear(self._packed, bias=self.get("bias"))


class NativeEmbedding(NativeLayer):
    """`nn.Embedding`."""

    def __call__(self, tokens: mx.array) -> mx.array:
        return self._kernels.ops.embed(tokens, self.weight, dtype=self._kernels.dtype)

    def as_linear(self, x: mx.array) -> mx.array:
        return self._kernels.ops.matmul(x, self.weight)


class NativeQuantizedEmbedding(PackedLayer):
    """`nn.QuantizedEmbedding`."""

    def __call__(self, tokens: mx.array) -> mx.array:
        return self._kernels.ops.embed(tokens, self._packed, dtype=self._kernels.dtype)

    def as_linear(self, x: mx.array) -> mx.array:
        return self._kernels.ops.quantized_matmul(x, self._packed, exact=self._kernels.exact)


class NativeSwitchLinear(NativeLayer):
    """`SwitchLinear`: every row by the matrix of its expert."""

    def __call__(self, x: mx.array, indices: mx.array, sorted_indices: bool = False) -> mx.array:
        return self._kernels.ops.gather_mm(x, self.weight, indices, bias=self.get("bias"))


class NativeQuantizedSwitchLinear(PackedLayer):
    """`QuantizedSwitchLinear`."""

    def __call__(self, x: mx.array, indices: mx.array, sorted_indices: bool = False) -> mx.array:
        multiply = self._kernels.ops.gather_qmm
        return multiply(x, self._packed, indices, exact=self._kernels.exact, bias=self.get("bias"))


class NativeRMSNorm(NativeLayer):
    """`nn.RMSNorm`, and Gemma's, which adds 1 to the weight (`offset`)."""

    def __init__(self, layer: nn.Module, kernels: Kernels, offset: float = 0.0) -> None:
        super().__init__(layer, kernels)
        self._offset = offset

    def __call__(self, x: mx.array) -> mx.array:
        return self._kernels.ops.rms_norm(x, self.weight, self.eps, self._offset)

    def handle(self) -> Any:
        """For fused blocks."""
        return self._kernels.ops.RmsNorm(self.weight, self.eps, self._offset)


class NativeLayerNorm(NativeLayer):
    """`nn.LayerNorm`."""

    def __call__(self, x: mx.array) -> mx.array:
        return self._kernels.ops.layer_norm(x, self.get("weight"), self.get("bias"), self.eps)


class NativeRope(NativeLayer):
    """Rotary embedding (arXiv:2104.09864) in all variants whose frequencies do not depend on the length.

    `_frequencies` [dims / 2] float32: radians per position; `_factor` scales what is rotated (YaRN's mscale).
    """

    def __init__(self, layer: nn.Module, kernels: Kernels) -> None:
        super().__init__(layer, kernels)
        self._stock = layer
        self._frequencies, self._factor = _rotation(layer)
        self._traditional = bool(getattr(layer, "traditional", False))
        mx.eval(self._frequencies)

    def __call__(self, x: mx.array, offset: int | mx.array = 0, **more: Any) -> mx.array:
        if more:  # YaRN's scale and inverse, which DeepSeek V4.1 asks for
            stock: mx.array = self._stock(x, offset=offset, **more)
            return stock
        return self._kernels.ops.rope(x, offset, self._frequencies, traditional=self._traditional, factor=self._factor)

    def handle(self) -> Any:
        """For fused blocks."""
        return self._kernels.ops.Rope(self._frequencies, self._traditional, self._factor)


def _rotation(layer: nn.Module) -> tuple[mx.array, float]:
    """Frequencies and factor of a rotary embedding of mlx or mlx-lm."""
    if type(layer) is nn.RoPE:
        exponents = mx.arange(0, layer.dims, 2, dtype=mx.float32) / layer.dims
        return layer.scale * layer.base**-exponents, 1.0
    factor = getattr(layer, "mscale", None) or getattr(layer, "_scale", None) or 1.0
    return 1.0 / layer._freqs, float(factor)


def _fits(layer: nn.Module) -> bool:
    """Whether a packed layer is of a kind that the kernels know."""
    affine = layer.mode == "affine" and layer.bits in (2, 3, 4, 5, 6, 8) and layer.group_size in (32, 64, 128)
    return (affine or layer.mode == "mxfp4") and layer.get("global_scale") is None


def _if_fits(make: Callable[[nn.Module, Kernels], nn.Module]) -> Callable[[nn.Module, Kernels], nn.Module]:
    return lambda layer, kernels: make(layer, kernels) if _fits(layer) else layer


_NATIVE: dict[type, Callable[[nn.Module, Kernels], nn.Module]] = {
    nn.Linear: NativeLinear,
    nn.QuantizedLinear: _if_fits(NativeQuantizedLinear),
    nn.Embedding: NativeEmbedding,
    nn.QuantizedEmbedding: _if_fits(NativeQuantizedEmbedding),
    switch_layers.SwitchLinear: NativeSwitchLinear,
    switch_layers.QuantizedSwitchLinear: _if_fits(NativeQuantizedSwitchLinear),
    nn.RMSNorm: NativeRMSNorm,
    nn.LayerNorm: NativeLayerNorm,
    nn.RoPE: NativeRope,
    rope_utils.Llama3RoPE: NativeRope,
    rope_utils.SuScaledRoPE: NativeRope,
    rope_utils.ProportionalRoPE: NativeRope,
    rope_utils.YarnRoPE: NativeRope,
}
# Weights of these layers keep the dtype of the checkpoint.
KEEPS_DTYPE = (
    nn.Linear,
    nn.QuantizedLinear,
    nn.Embedding,
    nn.QuantizedEmbedding,
    switch_layers.SwitchLinear,
    switch_layers.QuantizedSwitchLinear,
)


def knows(model: nn.Module) -> bool:
    """Whether the kernels can compute all quantized layers of a model."""
    packed = [m for _, m in model.named_modules() if type(m) in KEEPS_DTYPE and "scales" in m]
    return all(_fits(layer) for layer in packed)


def native_layer(layer: nn.Module, kernels: Kernels) -> nn.Module:
    """The layer on our kernels, or the layer itself where we have none for its kind."""
    if type(layer) in _NATIVE:
        return _NATIVE[type(layer)](layer, kernels)
    if _adds_one(layer):
        return NativeRMSNorm(layer, kernels, offset=1.0)
    return layer


def _adds_one(layer: nn.Module) -> bool:
    """Gemma's norms: of every Gemma a class of its own, with the same body."""
    return (type(layer).__module__, type(layer).__name__) in {
        ("mlx_lm.models.gemma", "RMSNorm"),
        ("mlx_lm.models.gemma2", "RMSNorm"),
        ("mlx_lm.models.gemma3_text", "RMSNorm"),
    }
