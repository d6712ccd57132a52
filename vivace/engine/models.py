"""Loading a checkpoint through mlx-lm, and the layer caches of a sequence.

With `seams.py`, `cache/` and kernels/gated_delta.py the only place that touches mlx-lm's insides (0.32.2, held by
test_models.py, test_seams.py and cache/ in tests/engine). Full and sliding-window layer caches become slabs; the other
kinds stay mlx-lm's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import psutil
from mlx.utils import tree_flatten
from mlx_lm import utils as mlx_utils
from mlx_lm.models.cache import CacheList, KVCache, RotatingKVCache, make_prompt_cache

from vivace.engine.cache.slab import SLACK, Slab
from vivace.engine.native.blocks import fuse
from vivace.engine.native.layers import KEEPS_DTYPE, PackedLayer, knows
from vivace.engine.seams import STOCK, Means, install_seams, on_cpu
from vivace.engine.sizing import CacheCost, dequantizes

_DTYPES = {"float32": mx.float32, "bfloat16": mx.bfloat16, "float16": mx.float16}
LOAD_GROUP = 64 * 1024 * 1024  # bytes evaluated between two reports of progress


# What mlx-lm raises where a checkpoint does not fit its model, and MLX where it does not fit the memory.
FAULTS = (
    OSError,
    ValueError,
    LookupError,
    RuntimeError,
    TypeError,
    AttributeError,
    ImportError,
    ArithmeticError,
    MemoryError,
)


class LoadError(Exception):
    """The checkpoint cannot be loaded; the message says why."""


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory. `dtype`: of its activations; `cache_dtype`: of keys and values, None for the same; `ops`: the
    native kernels, if they compute it."""

    model: nn.Module
    dtype: str
    weight_bytes: int
    notes: list[str] = field(default_factory=list)
    cache_dtype: mx.Dtype | None = None
    ops: Any = None

    def make_caches(self, reserve: int) -> list[Any]:
        """Empty layer caches of one sequence that will surely hold `reserve` tokens."""
        return [_our_cache(cache, reserve, self.cache_dtype) for cache in make_prompt_cache(self.model)]

    def forward(self, tokens: mx.array, caches: list[Any]) -> mx.array:
        """Logits `[B, T, V]` of `tokens` `[B, T]`."""
        logits: mx.array = self.model(tokens, cache=caches)
        return logits


def load(path: Path, dtype: str, report: Callable[[float], None], means: Means = STOCK) -> LoadedModel:
    """Load a checkpoint in mlx-lm's format or as plain Hugging Face safetensors.

    `dtype` "auto" is float32 on a CPU, where MLX computes half precision 10 to 20 times slower, and the checkpoint's
    elsewhere; with native kernels the weights of layers stay as they are, and keys and values become float16.
    `report` gets the loaded fraction, 0 to 1.

    Raises:
        LoadError: missing files, an unknown architecture, weights that do not fit the architecture.
    """
    try:
        return _load(path, dtype, report, means)
    except FAULTS as error:
        raise LoadError(f"{path}: {type(error).__name__}: {error}") from error


def _load(path: Path, dtype: str, report: Callable[[float], None], means: Means) -> LoadedModel:
    model, _ = mlx_utils.load_model(path, lazy=True)
    notes: list[str] = []
    target = _DTYPES.get(dtype, mx.float32 if on_cpu() else None)
    kernels = replace(means.kernels, dtype=target) if means.kernels and target else None
    if kernels:
        _cast_what_is_no_matrix(model, kernels.dtype)
    elif target is not None:
        model.set_dtype(target)
    if on_cpu() and not (kernels and knows(model)):
        notes += _dequantize_if_it_fits(model)
    install_seams(model, replace(means, kernels=kernels))
    model.eval()
    weight_bytes = _materialise(model, report)
    if kernels is None:
        return LoadedModel(model, _name_of(model), weight_bytes, notes)
    fuse(model, kernels)
    name = str(kernels.dtype).removeprefix("mlx.core.")
    return LoadedModel(model, name, weight_bytes, notes, mx.float16 if dtype == "auto" else None, kernels.ops)


def _cast_what_is_no_matrix(model: nn.Module, dtype: mx.Dtype) -> None:
    """Norms, biases and the like get the dtype of the activations; the kernels read matrices of any."""
    for module in (m for _, m in model.named_modules() if type(m) not in KEEPS_DTYPE):
        for name, value in module.items():
            if isinstance(value, mx.array) and not name.startswith("_") and mx.issubdtype(value.dtype, mx.floating):
                module[name] = value.astype(dtype)


def caches_in(cache: Any) -> list[Any]:
    """The elementary caches of a layer."""
    return [part for inner in cache.caches for part in caches_in(inner)] if isinstance(cache, CacheList) else [cache]


def arrays_of(caches: list[Any]) -> list[mx.array]:
    """All arrays that hold the state of `caches`."""
    leaves = tree_flatten([part.state for cache in caches for part in caches_in(cache)])
    return [leaf for _, leaf in leaves if isinstance(leaf, mx.array)]


def cost_of(caches: list[Any]) -> CacheCost:
    """What caches take by length, from those of a sequence that has run a little."""
    cost = CacheCost()
    for cache in (part for layer in caches for part in caches_in(layer)):
        nbytes = sum(array.nbytes for array in arrays_of([cache]))
        tokens = cache.keys.shape[2] if getattr(cache, "keys", None) is not None else 0
        window = cache.window if isinstance(cache, Slab) else None
        if not tokens:
            cost = replace(cost, fixed=cost.fixed + nbytes)
        elif window is not None:
            cost = replace(cost, fixed=cost.fixed + nbytes // tokens * (window + SLACK))
        else:
            cost = replace(cost, per_token=cost.per_token + nbytes // tokens)
    return cost


def _our_cache(cache: Any, reserve: int, dtype: mx.Dtype | None) -> Any:
    """Slabs for the kinds that they can stand for; other caches stay mlx-lm's."""
    if isinstance(cache, CacheList):
        return CacheList(*(_our_cache(part, reserve, dtype) for part in cache.caches))
    if type(cache) is KVCache:
        slab = Slab(dtype=dtype)
    elif type(cache) is RotatingKVCache and cache.keep == 0:
        slab = Slab(window=cache.max_size, dtype=dtype)
    else:
        return cache
    slab.reserve(reserve)
    return slab


def _dequantize_if_it_fits(model: nn.Module) -> list[str]:
    """On a CPU; see `dequantizes`."""
    quantized = [m for _, m in model.named_modules() if hasattr(m, "bits") and hasattr(m, "scales")]
    if not quantized:
        return []
    dense = sum(module.weight.size * 32 // module.bits for module in quantized) * 4
    free = psutil.virtual_memory().available
    if not dequantizes(dense, free):
        need = f"{dense / 2**30:.1f} GiB of {free / 2**30:.1f} GiB free"
        return [f"weights stay quantized, which is slow on a CPU: in float32 they would take {need}"]
    mlx_utils.dequantize_model(model)
    return ["weights dequantized to float32"]


def _materialise(model: nn.Module, report: Callable[[float], None]) -> int:
    """Read the parameters, a part at a time, and lay out those that the kernels want otherwise; their bytes."""
    layers = {id(m): m for _, m in reversed(model.named_modules()) if isinstance(m, PackedLayer)}.values()
    total, done, packed = _nbytes(model), 0, 0
    for layer in layers:
        before = _nbytes(layer)
        packed += layer.pack()
        done += before - _nbytes(layer)
        report(done / max(total, 1))
    arrays = [array for _, array in tree_flatten(model.parameters())]
    for group in _groups(arrays):
        mx.eval(group)
        done += sum(array.nbytes for array in group)
        report(min(1.0, done / max(total, 1)))
    report(1.0)
    return packed + _nbytes(model)


def _groups(arrays: list[mx.array]) -> Iterator[list[mx.array]]:
    """All of them, LOAD_GROUP bytes at a time."""
    group: list[mx.array] = []
    nbytes = 0
    for array in arrays:
        group.append(array)
        nbytes += array.nbytes
        if nbytes >= LOAD_GROUP:
            yield group
            group, nbytes = [], 0
    yield group


def _nbytes(module: nn.Module) -> int:
    nbytes: int = sum(array.nbytes for _, array in tree_flatten(module.parameters()))
    return nbytes


def _name_of(model: nn.Module) -> str:
    """The dtype of the activations: that of the largest floating-point parameter."""
    floats = [a for _, a in tree_flatten(model.parameters()) if mx.issubdtype(a.dtype, mx.floating)]
    return str(max(floats, key=lambda a: a.size).dtype).removeprefix("mlx.core.")
