"""Twins of our models for llama.cpp: the same architecture and sizes as a GGUF file, with random weights.

    python -m benchmarks._twins CONFIG.json Q4_0 OUT.gguf

Affine 4 bits in groups of 64 with a 16-bit scale and bias are 4.5 bits a weight, and so are both Q4_0, which llama.cpp
rearranges for the processor, and Q4_K, in which most models are published. Affine 8 bits and Q8_0 both take 8.5.

Needs `gguf`, and nothing of ours: it runs in llama.cpp's Python.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Config = dict[str, Any]


@dataclass(frozen=True)
class Format:
    """A block of `values` weights takes `nbytes`, of which the first are the 16-bit `scales`, the rest random bits."""

    values: int
    nbytes: int
    scales: tuple[float, ...]


# With these scales weights have a mean of about 0 and a deviation of about 0.02, so that activations stay in range.
FORMATS = {"Q4_0": Format(32, 18, (4e-3,)), "Q4_K": Format(256, 144, (1e-4, 7e-4)), "Q8_0": Format(32, 34, (3e-4,))}
TWINS = {4: ("Q4_0", "Q4_K"), 8: ("Q8_0",)}


@dataclass(frozen=True)
class Tensor:
    """`shape` is (rows, columns) or (size,); what is not `quantized` is float32."""

    name: str
    shape: tuple[int, ...]
    quantized: bool = True


def formats_of(config: Config, bits: int) -> list[str]:
    """The formats of that size that the model can have: blocks must fill its rows."""
    columns = {tensor.shape[-1] for tensor in tensors(config) if tensor.quantized}
    return [name for name in TWINS[bits] if all(width % FORMATS[name].values == 0 for width in columns)]


def architecture(config: Config) -> str:
    return {"qwen3": "qwen3", "qwen3_5": "qwen35"}[config["model_type"]]


def metadata(config: Config) -> dict[str, Any]:
    """What llama.cpp reads before the tensors, without the architecture's name in front."""
    text = _text(config)
    rope = text.get("rope_parameters", {})
    facts = {
        "block_count": text["num_hidden_layers"],
        "context_length": text["max_position_embeddings"],
        "embedding_length": text["hidden_size"],
        "feed_forward_length": text["intermediate_size"],
        "attention.head_count": text["num_attention_heads"],
        "attention.head_count_kv": text["num_key_value_heads"],
        "attention.key_length": text["head_dim"],
        "attention.value_length": text["head_dim"],
        "attention.layer_norm_rms_epsilon": float(text["rms_norm_eps"]),
        "rope.freq_base": float(text.get("rope_theta") or rope["rope_theta"]),
    }
    return facts | _recurrent_metadata(text) if _is_hybrid(text) else facts


def _recurrent_metadata(text: Config) -> dict[str, Any]:
    values = text["linear_num_value_heads"]
    rotated = int(text["head_dim"] * text["rope_parameters"]["partial_rotary_factor"])
    return {
        "full_attention_interval": text["full_attention_interval"],
        "ssm.conv_kernel": text["linear_conv_kernel_dim"],
        "ssm.state_size": text["linear_key_head_dim"],
        "ssm.group_count": text["linear_num_key_heads"],
        "ssm.time_step_rank": values,
        "ssm.inner_size": values * text["linear_value_head_dim"],
        "rope.dimension_count": rotated,
        "rope.dimension_sections": _sections(rotated // 2),
    }


def _sections(pairs: int) -> list[int]:
    """Rotated pairs that follow time, height and width; of text all three are the same position."""
    third = pairs // 3
    return [pairs - 2 * third, third, third, 0]


def tensors(config: Config) -> Iterator[Tensor]:
    """All of them; the embedding is the output too where the model ties them."""
    text = _text(config)
    hidden, vocab = text["hidden_size"], text["vocab_size"]
    yield Tensor("token_embd.weight", (vocab, hidden))
    yield Tensor("output_norm.weight", (hidden,), quantized=False)
    if not text["tie_word_embeddings"]:
        yield Tensor("output.weight", (vocab, hidden))
    for layer in range(text["num_hidden_layers"]):
        for tensor in _layer(text, layer):
            yield Tensor(f"blk.{layer}.{tensor.name}", tensor.shape, tensor.quantized)


def _layer(text: Config, layer: int) -> Iterator[Tensor]:
    hidden, inner, hybrid = text["hidden_size"], text["intermediate_size"], _is_hybrid(text)
    yield Tensor("attn_norm.weight", (hidden,), quantized=False)
    recurrent = hybrid and (layer + 1) % text["full_attention_interval"]
    yield from _delta_net(text) if recurrent else _attention(text)
    yield Tensor("post_attention_norm.weight" if hybrid else "ffn_norm.weight", (hidden,), quantized=False)
    yield Tensor("ffn_gate.weight", (inner, hidden))
    yield Tensor("ffn_up.weight", (inner, hidden))
    yield Tensor("ffn_down.weight", (hidden, inner))


def _attention(text: Config) -> Iterator[Tensor]:
    """The hybrid's queries bring their gates along."""
    hidden, size = text["hidden_size"], text["head_dim"]
    heads, kv = text["num_attention_heads"] * size, text["num_key_value_heads"] * size
    yield Tensor("attn_q.weight", (2 * heads if _is_hybrid(text) else heads, hidden))
    yield Tensor("attn_k.weight", (kv, hidden))
    yield Tensor("attn_v.weight", (kv, hidden))
    yield Tensor("attn_output.weight", (hidden, heads))
    yield Tensor("attn_q_norm.weight", (size,), quantized=False)
    yield Tensor("attn_k_norm.weight", (size,), quantized=False)


def _delta_net(text: Config) -> Iterator[Tensor]:
    hidden, heads = text["hidden_size"], text["linear_num_value_heads"]
    keys = text["linear_num_key_heads"] * text["linear_key_head_dim"]
    values = heads * text["linear_value_head_dim"]
    yield Tensor("attn_qkv.weight", (2 * keys + values, hidden))
    yield Tensor("attn_gate.weight", (values, hidden))
    yield Tensor("ssm_conv1d.weight", (2 * keys + values, text["linear_conv_kernel_dim"]), quantized=False)
    yield Tensor("ssm_dt.bias", (heads,), quantized=False)
    yield Tensor("ssm_a", (heads,), quantized=False)
    yield Tensor("ssm_beta.weight", (heads, hidden))
    yield Tensor("ssm_alpha.weight", (heads, hidden))
    yield Tensor("ssm_norm.weight", (text["linear_value_head_dim"],), quantized=False)
    yield Tensor("ssm_out.weight", (hidden, values))


def _text(config: Config) -> Config:
    text: Config = config.get("text_config", config)
    return text


def _is_hybrid(text: Config) -> bool:
    return "full_attention_interval" in text


def vocabulary(size: int) -> list[str]:
    """Tokens of a byte-level tokenizer that has ASCII, so that llama-server takes it, and else only names."""
    alphabet = [*map(chr, range(33, 127)), "Ġ", "Ċ"]  # the last two: space and line feed
    return alphabet + [f"token{i}" for i in range(len(alphabet), size)]


def write_twin(config: Config, kind: str, path: Path) -> None:
    import gguf
    import numpy as np

    form, arch = FORMATS[kind], architecture(config)
    writer = gguf.GGUFWriter(path, arch)
    for name, fact in metadata(config).items():
        _add(writer, f"{arch}.{name}", fact)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary(_text(config)["vocab_size"]))
    writer.add_token_merges(["t o"])
    random = np.random.default_rng(0)
    scales = np.frombuffer(np.array(form.scales, np.float16).tobytes(), np.uint8)
    for tensor in tensors(config):
        if not tensor.quantized:
            writer.add_tensor(tensor.name, np.full(tensor.shape, -0.1 if tensor.name.endswith("ssm_a") else 1, "f4"))
            continue
        rows, columns = tensor.shape
        blocks = random.integers(0, 256, (rows, columns // form.values, form.nbytes), np.uint8)
        blocks[..., : scales.size] = scales
        writer.add_tensor(tensor.name, blocks.reshape(rows, -1), raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add(writer: Any, key: str, fact: Any) -> None:
    adders = {int: writer.add_uint32, float: writer.add_float32, list: writer.add_array}
    adders[type(fact)](key, fact)


if __name__ == "__main__":
    write_twin(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2], Path(sys.argv[3]))
