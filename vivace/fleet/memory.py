"""How much memory a model takes at a context length, from its config alone.

    total = weights + slab(context) * kv_full + slab(min(context, window + 1024)) * kv_window + recurrent

kv_*: bytes per token over all layers of that kind; slab(n): n rounded up to 256 tokens, as the engine allocates.
Activations and stored prefixes come on top.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

LayerKind = Literal["full", "window", "recurrent", "none"]

SLAB_STEP = 256  # tokens
WINDOW_SLACK = 1088  # tokens that a window's slab grows before it is compacted

# What configs call a layer that mixes tokens.
_KINDS: dict[str, LayerKind] = {
    "full_attention": "full",
    "attention": "full",
    "*": "full",
    "sliding_attention": "window",
    "chunked_attention": "window",
    "linear_attention": "recurrent",
    "mamba": "recurrent",
    "mamba2": "recurrent",
    "conv": "recurrent",
    "M": "recurrent",
    "-": "none",
    "E": "none",
}


@dataclass(frozen=True)
class MemoryFacts:
    """What the memory of one sequence depends on.

    Attributes:
        kv_full: bytes per token of all full-attention layers.
        kv_window: bytes per token of all sliding-window layers.
        window: tokens that those see.
        recurrent: bytes of state, whatever the length.
    """

    weights: int
    kv_full: int
    kv_window: int = 0
    window: int = 0
    recurrent: int = 0


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes, for one sequence of `context` tokens."""

    context: int
    weights: int
    kv: int
    recurrent: int

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.recurrent


def memory_estimate(facts: MemoryFacts, context: int) -> MemoryEstimate:
    """Weights and one sequence of `context` tokens."""
    kv = slab(context) * facts.kv_full + slab(min(context, facts.window + WINDOW_SLACK)) * facts.kv_window
    return MemoryEstimate(context, facts.weights, kv, facts.recurrent)


def memory_facts(config: Mapping[str, Any], weight_bytes: int, float_bytes: int = 2) -> MemoryFacts:
    """Read the facts off a checkpoint's config.json.

    Args:
        weight_bytes: of the weights as loaded.
        float_bytes: of one number in the KV cache; 4 where the engine computes in float32.
    """
    text = text_config(config)
    layers = Counter(layer_kinds(text))
    token = _kv_numbers(text) * float_bytes
    return MemoryFacts(
        weights=weight_bytes,
        kv_full=layers["full"] * token,
        kv_window=layers["window"] * token,
        window=int(text.get("sliding_window") or text.get("attention_chunk_size") or 0),
        recurrent=layers["recurrent"] * _recurrent_bytes(text, float_bytes) if layers["recurrent"] else 0,
    )


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a config that describes the language model."""
    nested = config.get("text_config") or config.get("language_config")
    return nested if isinstance(nested, Mapping) else config


def layer_kinds(text: Mapping[str, Any]) -> Iterator[LayerKind]:
    """How each layer mixes tokens. A layer that the config does not describe counts as full attention."""
    named = text.get("layer_types") or text.get("layers_block_type") or text.get("hybrid_override_pattern")
    if named:
        yield from (_KINDS.get(name, "full") for name in named)
        return
    interval = int(text.get("full_attention_interval") or text.get("sliding_window_pattern") or 1)
    between: LayerKind = "recurrent" if "linear_num_value_heads" in text else "window"
    for layer in range(1, int(text["num_hidden_layers"]) + 1):
        yield "full" if layer % interval == 0 else between


def slab(tokens: int) -> int:
    """Tokens that the engine allocates for so many."""
    return -(-tokens // SLAB_STEP) * SLAB_STEP


def _kv_numbers(text: Mapping[str, Any]) -> int:
    """Numbers per token and layer: keys and values, or the latent of multi-head latent attention (DeepSeek-V2)."""
    if text.get("kv_lora_rank"):
        return int(text["kv_lora_rank"]) + int(text["qk_rope_head_dim"])
    heads = int(text["num_attention_heads"])
    head_dim = int(text.get("head_dim") or int(text["hidden_size"]) // heads)
    return 2 * int(text.get("num_key_value_heads") or heads) * head_dim


def _recurrent_bytes(text: Mapping[str, Any], float_bytes: int) -> int:
    """One layer's state: the recurrence in float32, the convolution's last inputs in the compute type."""
    if "linear_num_value_heads" in text:  # Gated DeltaNet
        keys = int(text["linear_num_key_heads"]) * int(text["linear_key_head_dim"])
        values = int(text["linear_num_value_heads"]) * int(text["linear_value_head_dim"])
        tail = (int(text["linear_conv_kernel_dim"]) - 1) * (2 * keys + values)
        return 4 * values * int(text["linear_key_head_dim"]) + float_bytes * tail
    if "conv_L_cache" in text:  # LFM2's short convolution
        return float_bytes * (int(text["conv_L_cache"]) - 1) * int(text["hidden_size"])
    return _mamba_bytes(text, float_bytes)


def _mamba_bytes(text: Mapping[str, Any], float_bytes: int) -> int:
    def number(*names: str, default: int = 0) -> int:
        return int(next((text[name] for name in names if text.get(name)), default))

    width = number("mamba_num_heads", "mamba_n_heads") * number("mamba_head_dim", "mamba_d_head")
    width = width or number("mamba_expand", default=2) * int(text["hidden_size"])
    state = number("ssm_state_size", "mamba_d_state", default=16)
    kernel = number("conv_kernel", "mamba_d_conv", default=4)
    channels = width + 2 * number("n_groups", "mamba_n_groups") * state
    return 4 * width * state + float_bytes * (kernel - 1) * channels
