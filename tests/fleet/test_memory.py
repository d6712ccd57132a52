"""The estimate against what mlx-lm's own models really allocate, and by hand where it differs by design."""

import json
from typing import Any

import pytest

from vivace.fleet.memory import MemoryFacts, layer_kinds, memory_estimate, memory_facts, slab

QWEN3 = {
    "model_type": "qwen3",
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "rms_norm_eps": 1e-6,
    "vocab_size": 100,
    "max_position_embeddings": 4096,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
}
QWEN3_5 = {
    "model_type": "qwen3_5",
    "text_config": QWEN3
    | {
        "model_type": "qwen3_5_text",
        "num_hidden_layers": 8,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 32,
        "linear_value_head_dim": 16,
        "linear_conv_kernel_dim": 4,
        "full_attention_interval": 4,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
    },
}


@pytest.mark.parametrize("config", [QWEN3, QWEN3_5], ids=["qwen3", "qwen3_5"])
@pytest.mark.parametrize("tokens", [1, 256, 257])
def test_kv_and_state_are_what_mlx_lm_allocates(config: dict[str, Any], tokens: int) -> None:
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from mlx_lm.utils import _get_classes

    model_class, args_class = _get_classes(config)
    model = model_class(args_class.from_dict(config))
    cache = model.make_cache() if hasattr(model, "make_cache") else None
    if cache is None:
        from mlx_lm.models.cache import KVCache

        cache = [KVCache() for _ in model.layers]
    model(mx.zeros((1, tokens), dtype=mx.int32), cache=cache)
    held = [value for entry in cache for _, value in tree_flatten(getattr(entry, "__dict__", {}))]
    allocated = sum(array.nbytes for array in held if isinstance(array, mx.array) and array.ndim > 1)
    estimate = memory_estimate(memory_facts(config, 0, float_bytes=4), tokens)
    assert estimate.kv + estimate.recurrent == allocated


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({"num_hidden_layers": 2}, "full full"),
        ({"layer_types": ["sliding_attention", "full_attention"]}, "window full"),
        ({"layer_types": ["conv", "full_attention"]}, "recurrent full"),
        ({"layers_block_type": ["mamba", "attention"]}, "recurrent full"),
        ({"hybrid_override_pattern": "M-*E"}, "recurrent none full none"),
        ({"num_hidden_layers": 4, "full_attention_interval": 2, "linear_num_value_heads": 4}, "recurrent full " * 2),
        ({"num_hidden_layers": 3, "sliding_window_pattern": 3}, "window window full"),
        ({"layer_types": ["something_new"]}, "full"),
    ],
)
def test_layers_are_told_apart_whatever_the_config_calls_them(config: dict[str, Any], kinds: str) -> None:
    assert list(layer_kinds(config)) == kinds.split()


def test_a_window_stops_growing() -> None:
    facts = MemoryFacts(weights=1000, kv_full=2, kv_window=10, window=512)
    growth = [memory_estimate(facts, context).kv for context in (256, 1536, 131072)]
    assert growth == [256 * 12, 1536 * 12, 131072 * 2 + 1792 * 10]


def test_latent_attention_stores_the_latent_only() -> None:
    config = {"num_hidden_layers": 2, "num_attention_heads": 128, "kv_lora_rank": 512, "qk_rope_head_dim": 64}
    assert memory_facts(config, 0).kv_full == 2 * 576 * 2


def test_mamba_state_is_counted_once_whatever_the_length() -> None:
    config = {
        "hybrid_override_pattern": "MM*",
        "hidden_size": 64,
        "num_attention_heads": 4,
        "mamba_num_heads": 8,
        "mamba_head_dim": 16,
        "ssm_state_size": 32,
        "conv_kernel": 4,
        "n_groups": 2,
    }
    facts = memory_facts(config, 0)
    assert facts.recurrent == 2 * (4 * 128 * 32 + 2 * 3 * (128 + 2 * 2 * 32))
    assert memory_estimate(facts, 10).recurrent == memory_estimate(facts, 10_000).recurrent


@pytest.mark.parametrize(("tokens", "allocated"), [(0, 0), (1, 256), (256, 256), (257, 512)])
def test_slabs_come_in_steps(tokens: int, allocated: int) -> None:
    assert slab(tokens) == allocated


def test_the_embedded_model_fits_anywhere() -> None:
    from vivace.assets import embedded_model_path

    config = json.loads((embedded_model_path() / "config.json").read_text())
    weights = (embedded_model_path() / "model.safetensors").stat().st_size
    assert memory_estimate(memory_facts(config, weights, float_bytes=4), 32768).total < 500e6
