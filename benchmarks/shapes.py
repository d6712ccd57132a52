"""Random models of known shapes, for benchmarks that need weights but no meaning."""

import importlib
import json
import math
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_map_with_path

_QWEN3 = {
    "model_type": "qwen3",
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 40960,
    "rope_theta": 1e6,
    "tie_word_embeddings": True,
}
SHAPES: dict[str, dict[str, Any]] = {
    # about 100 million parameters, 8,192 of vocabulary: the embedded model's tokenizer fits
    "qwen3-100m": _QWEN3
    | {
        "hidden_size": 768,
        "intermediate_size": 2304,
        "num_hidden_layers": 14,
        "num_attention_heads": 12,
        "num_key_value_heads": 4,
        "head_dim": 64,
        "vocab_size": 8192,
        "max_position_embeddings": 32768,
    },
    "qwen3-0.6b": _QWEN3 | {"hidden_size": 1024, "intermediate_size": 3072},
    "qwen3-1.7b": _QWEN3 | {"hidden_size": 2048, "intermediate_size": 6144},
    "qwen3-8b": _QWEN3
    | {
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "tie_word_embeddings": False,
    },
    "qwen3.5-0.8b": {
        "model_type": "qwen3_5",
        "text_config": {
            "model_type": "qwen3_5_text",
            "hidden_size": 1024,
            "intermediate_size": 3584,
            "num_hidden_layers": 24,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "head_dim": 256,
            "vocab_size": 248320,
            "rms_norm_eps": 1e-6,
            "max_position_embeddings": 262144,
            "linear_num_value_heads": 16,
            "linear_num_key_heads": 16,
            "linear_key_head_dim": 128,
            "linear_value_head_dim": 128,
            "linear_conv_kernel_dim": 4,
            "full_attention_interval": 4,
            "tie_word_embeddings": True,
            "rope_parameters": {"type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25},
        },
    },
    "qwen3.5-9b": {
        "model_type": "qwen3_5",
        "text_config": {
            "model_type": "qwen3_5_text",
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 32,
            "num_attention_heads": 16,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "vocab_size": 248320,
            "rms_norm_eps": 1e-6,
            "max_position_embeddings": 262144,
            "linear_num_value_heads": 32,
            "linear_num_key_heads": 16,
            "linear_key_head_dim": 128,
            "linear_value_head_dim": 128,
            "linear_conv_kernel_dim": 4,
            "full_attention_interval": 4,
            "tie_word_embeddings": False,
            "rope_parameters": {"type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25},
        },
    },
}


def random_model(shape: str, dtype: mx.Dtype, bits: int | None = None) -> nn.Module:
    """A model of that shape with random weights, quantized (affine, groups of 64) when `bits` is given."""
    config = SHAPES[shape]
    module = importlib.import_module(f"mlx_lm.models.{config['model_type']}")
    mx.random.seed(0)
    model: nn.Module = module.Model(module.ModelArgs.from_dict(config))
    model.set_dtype(dtype)
    if bits:
        nn.quantize(model, group_size=64, bits=bits)
        model.update(tree_map_with_path(lambda name, array: _drawn(name, array, bits), model.parameters()))
    model.eval()
    mx.eval(model.parameters())
    return model


def _drawn(name: str, array: mx.array, bits: int) -> mx.array:
    """In the place of a quantized weight, scale or bias: quantizing real weights takes a minute on a CPU.

    The weights have a mean of 0 and a deviation of 0.02.
    """
    steps = 2**bits - 1
    scale = 0.02 * math.sqrt(12 / (4**bits - 1))
    if array.dtype == mx.uint32:
        return mx.array(np.random.default_rng(array.size).integers(0, 2**32, array.shape, np.uint32))
    if name.endswith("scales"):
        return mx.full(array.shape, scale, array.dtype)
    if name.endswith("biases"):
        return mx.full(array.shape, -scale * steps / 2, array.dtype)
    return array


def write_checkpoint(folder: Path, shape: str, dtype: mx.Dtype, bits: int | None = None) -> Path:
    """The same as a checkpoint directory in mlx-lm's format, without a tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = dict(tree_flatten(random_model(shape, dtype, bits).parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    quantization = {"quantization": {"group_size": 64, "bits": bits}} if bits else {}
    (folder / "config.json").write_text(json.dumps(SHAPES[shape] | quantization | {"eos_token_id": 0}))
    return folder
