"""Write the Hugging Face folder that transformers and mlx-lm load.

python -m training.export WEIGHTS OUT
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from training.checkpoint import NORMS, load_parts
from training.model import VivaceMini
from training.network.config import Config
from training.tokenizer import trained_tokenizer, wrap
from vivace.assets import embedded_model_path

CONTEXT = 32768


def _text_config(c: Config) -> dict[str, Any]:
    kinds = ["full_attention" if c.full_attention(i) else "linear_attention" for i in range(c.num_layers)]
    rope = {
        "rope_type": "default",
        "rope_theta": c.rope_theta,
        "partial_rotary_factor": c.rotary_dim / c.head_dim,
        "mrope_section": [3, 3, 2],
        "mrope_interleaved": True,
    }
    return {
        "model_type": "qwen3_5_text",
        "vocab_size": c.vocab_size,
        "hidden_size": c.hidden_size,
        "intermediate_size": c.intermediate_size,
        "num_hidden_layers": c.num_layers,
        "num_attention_heads": c.num_heads,
        "num_key_value_heads": c.num_kv_heads,
        "head_dim": c.head_dim,
        "linear_num_key_heads": c.linear_heads,
        "linear_num_value_heads": c.linear_heads,
        "linear_key_head_dim": c.linear_head_dim,
        "linear_value_head_dim": c.linear_head_dim,
        "linear_conv_kernel_dim": c.conv_kernel,
        "full_attention_interval": c.full_attention_interval,
        "layer_types": kinds,
        "hidden_act": "silu",
        "rms_norm_eps": c.norm_eps,
        "max_position_embeddings": CONTEXT,
        "attention_bias": False,
        "attn_output_gate": True,
        "tie_word_embeddings": True,
        "dtype": "bfloat16",
        "rope_parameters": rope,
    }


def config_json(c: Config, tokenizer: Tokenizer) -> dict[str, Any]:
    """config.json, with the ids of the special tokens."""
    ends = {
        "eos_token_id": tokenizer.token_to_id("<|im_end|>"),
        "pad_token_id": tokenizer.token_to_id("<|endoftext|>"),
    }
    return {
        "architectures": ["Qwen3_5ForCausalLM"],
        "model_type": "qwen3_5",
        "text_config": {**_text_config(c), **ends},
        "tie_word_embeddings": True,
        "dtype": "bfloat16",
        "image_token_id": tokenizer.token_to_id("<|image_pad|>"),
        "vision_start_token_id": tokenizer.token_to_id("<|vision_start|>"),
        "vision_end_token_id": tokenizer.token_to_id("<|vision_end|>"),
        **ends,
    }


def _write_json(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_tokenizer(out: Path, tokenizer: Tokenizer) -> None:
    wrap(tokenizer).save_pretrained(out)
    settings = json.loads((out / "tokenizer_config.json").read_text(encoding="utf-8"))
    # For this model type transformers 5 would rebuild the tokenizer with another pre-tokenizer; with trust_remote_code
    # set (there is no remote code) it takes tokenizer.json as it is.
    settings.update(tokenizer_class="PreTrainedTokenizerFast", trust_remote_code=True, tool_parser_type="qwen3_coder")
    _write_json(out / "tokenizer_config.json", settings)
    shutil.copy(embedded_model_path() / "chat_template.jinja", out / "chat_template.jinja")


def _round_norms(model: VivaceMini) -> None:
    """mlx-lm computes 1 + weight in bf16: choose weights for which that is exact."""
    for name, parameter in model.named_parameters():
        if name.endswith(NORMS):
            parameter.data = (1.0 + parameter.data).to(torch.bfloat16).float() - 1.0


def export(weights: str, out: Path) -> None:
    """The folder `out` with the bf16 weights, the tokenizer and all settings."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = trained_tokenizer()
    _write_tokenizer(out, tokenizer)
    model = VivaceMini()
    _write_json(out / "config.json", config_json(model.config, tokenizer))
    stops = [tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")]
    generation = {"do_sample": False, "eos_token_id": stops, "pad_token_id": stops[1]}
    _write_json(out / "generation_config.json", generation)
    load_parts(model, weights)
    _round_norms(model)
    state = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in model.state_dict().items()}
    save_file(state, out / "model.safetensors", metadata={"format": "pt"})


def main(weights: str, out: str) -> None:
    export(weights, Path(out))
    print("written", sorted(file.name for file in Path(out).iterdir()))


if __name__ == "__main__":
    main(*sys.argv[1:3])
