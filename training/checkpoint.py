"""Reading and writing weights: parts of a training run, exported folders, folders that mlx-lm has quantized."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, load_file, save
from torch import Tensor, nn

NORMS = ("layernorm.weight", "model.norm.weight", "q_norm.weight", "k_norm.weight")  # whose gain is 1 + weight


def save_parts(model: nn.Module, folder: str | Path, parts: int = 4) -> None:
    """bf16 weights as `parts` files of equal size, as some channels limit the size of a file."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.detach().to(torch.bfloat16).cpu().contiguous() for k, v in model.state_dict().items()}
    blob = save(weights)
    size = -(-len(blob) // parts)
    for i in range(parts):
        (folder / f"weights.{i}").write_bytes(blob[i * size : (i + 1) * size])


def load_parts(model: nn.Module, folder: str | Path) -> None:
    blob = b"".join(part.read_bytes() for part in sorted(Path(folder).glob("weights.?")))
    model.load_state_dict({k: v.float() for k, v in load(blob).items()})


def read_folder(folder: str | Path) -> dict[str, Tensor]:
    """A float32 state dict of an exported folder, or of one that mlx-lm has quantized (affine, packed in uint32)."""
    raw = load_file(str(Path(folder) / "model.safetensors"))
    quantization = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8")).get("quantization")
    if not quantization:
        return {k: v.float() for k, v in raw.items()}
    weights = {}
    for key, value in raw.items():
        if not key.endswith((".scales", ".biases")):
            name = key.removeprefix("language_model.")
            quantized = key.removesuffix(".weight") + ".scales" in raw
            weights[name] = _dequantize(raw, key, quantization) if quantized else _as_torch(name, value)
    return weights


def _as_torch(name: str, value: Tensor) -> Tensor:
    """mlx-lm keeps convolutions with channels last, and adds the one to the gains of norms."""
    if name.endswith("conv1d.weight"):
        return value.transpose(1, 2).float()
    return value.float() - 1.0 if name.endswith(NORMS) else value.float()


def _dequantize(raw: dict[str, Tensor], key: str, quantization: dict[str, Any]) -> Tensor:
    """[rows, columns] float32: q * scale + bias per group of columns."""
    base, bits, size = key.removesuffix(".weight"), quantization["bits"], quantization["group_size"]
    packed = raw[key].view(torch.uint32).numpy()
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    numbers = ((packed[..., None] >> shifts) & (2**bits - 1)).reshape(packed.shape[0], -1)
    q = torch.from_numpy(numbers.astype(np.float32)).view(len(numbers), -1, size)
    w = q * raw[base + ".scales"].float()[..., None] + raw[base + ".biases"].float()[..., None]
    return w.view(len(numbers), -1)
