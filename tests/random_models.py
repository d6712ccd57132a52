"""Small random checkpoints of every kind of model, written as a user would have them on disk."""

import importlib
import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map

VOCAB = 300
WINDOW = 24

_BASE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": VOCAB,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 2048,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
}
_LINEAR: dict[str, Any] = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_conv_kernel_dim": 4,
    "full_attention_interval": 2,
}
_EXPERTS: dict[str, Any] = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "norm_topk_prob": True,
}

# kind -> config.json
CONFIGS: dict[str, dict[str, Any]] = {
    "qwen3": {"model_type": "qwen3", **_BASE},
    "llama": {"model_type": "llama", **_BASE},
    "llama_window": {
        "model_type": "llama",
        **_BASE,
        "sliding_window": WINDOW,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
    "gemma3": {
        "model_type": "gemma3_text",
        **_BASE,
        "sliding_window": WINDOW,
        "sliding_window_pattern": 2,
        "query_pre_attn_scalar": 16,
    },
    "gpt_oss": {
        "model_type": "gpt_oss",
        **_BASE,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": WINDOW,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
    "qwen3_moe": {"model_type": "qwen3_moe", **_BASE, **_EXPERTS},
    "qwen3_5": {
        "model_type": "qwen3_5",
        "text_config": {
            "model_type": "qwen3_5_text",
            **_BASE,
            **_LINEAR,
            "rope_parameters": {"type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5},
        },
    },
    "qwen3_next": {"model_type": "qwen3_next", **_BASE, **_LINEAR, **_EXPERTS, "partial_rotary_factor": 0.5},
    "lfm2": {
        "model_type": "lfm2",
        **_BASE,
        "norm_eps": 1e-6,
        "conv_bias": False,
        "conv_L_cache": 3,
        "block_dim": 64,
        "block_ff_dim": 96,
        "block_multiple_of": 16,
        "block_ffn_dim_multiplier": 1.0,
        "block_auto_adjust_ff_dim": False,
        "full_attn_idxs": [1, 3],
    },
    "falcon_h1": {
        "model_type": "falcon_h1",
        **_BASE,
        "mamba_d_head": 16,
        "mamba_d_ssm": 64,
        "mamba_d_state": 16,
        "mamba_n_heads": 4,
        "mamba_chunk_size": 16,
        "ssm_multipliers": [1.0] * 5,
        "mlp_multipliers": [1.0, 1.0],
    },
    "deepseek_v3": {
        "model_type": "deepseek_v3",
        **_BASE,
        "num_key_value_heads": 4,
        "moe_intermediate_size": 32,
        "n_routed_experts": None,
        "first_k_dense_replace": 9,
        "kv_lora_rank": 16,
        "q_lora_rank": 16,
        "qk_rope_head_dim": 8,
        "v_head_dim": 16,
        "qk_nope_head_dim": 16,
    },
}

FULL_ATTENTION = ("qwen3", "llama", "qwen3_moe")
SLIDING_WINDOW = ("llama_window", "gemma3", "gpt_oss")
HYBRID = ("qwen3_5", "qwen3_next", "lfm2", "falcon_h1")
ONE_BY_ONE = ("deepseek_v3",)  # rows cannot share a forward
KINDS = (*FULL_ATTENTION, *SLIDING_WINDOW, *HYBRID, *ONE_BY_ONE)


def random_checkpoint(folder: Path, kind: str, seed: int = 0, bits: int | None = None, dtype: str = "float32") -> Path:
    """Write config.json and weights of a random model, quantized in groups of 32 when `bits` is given; the folder."""
    config = dict(CONFIGS[kind])
    module = importlib.import_module(f"mlx_lm.models.{config['model_type']}")
    mx.random.seed(seed)
    model = module.Model(module.ModelArgs.from_dict(config))
    # Larger weights than the default give logits that differ, so that comparing tokens means something.
    model.update(tree_map(lambda array: array * 3.0 if array.ndim == 2 else array, model.parameters()))
    model.set_dtype(getattr(mx, dtype))
    if bits:
        nn.quantize(model, group_size=32, bits=bits)
        config["quantization"] = {"group_size": 32, "bits": bits}
    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())), {"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    return folder
