"""What the headers of safetensors files tell about a model's size; no weight is read."""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "U64": 64, "I32": 32, "U32": 32, "I16": 16, "U16": 16}
_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})


@dataclass(frozen=True)
class Tensor:
    """`dtype` in safetensors' words."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * _BITS.get(self.dtype, 8) // 8


def read(directory: Path) -> dict[str, Tensor]:
    """All tensors of `model*.safetensors`, by name."""
    tensors: dict[str, Tensor] = {}
    for file in sorted(directory.glob("model*.safetensors")):
        for name, entry in _header(file).items():
            if name != "__metadata__":
                tensors[name] = Tensor(entry["dtype"], tuple(entry["shape"]))
    return tensors


def parameters(tensors: Mapping[str, Tensor], group_size: int | None) -> int:
    """Numbers that were trained. A quantized matrix counts what it stands for: one per group is in its scales."""
    total = 0
    for name, tensor in tensors.items():
        base, _, kind = name.rpartition(".")
        packed = f"{base}.scales" in tensors
        if packed and kind == "scales":
            total += tensor.size * (group_size or 1)
        elif not (packed and kind in ("weight", "biases")):
            total += tensor.size
    return total


def loaded_bytes(tensors: Mapping[str, Tensor], float_bytes: int) -> int:
    """Memory of the weights when floating-point numbers take `float_bytes` each; packed ones stay as they are."""
    return sum(t.size * float_bytes if t.dtype in _FLOATS else t.nbytes for t in tensors.values())


def _header(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        header: dict[str, Any] = json.loads(opened.read(length))
    return header
