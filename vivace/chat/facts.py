"""What the files of a checkpoint directory say about it. Reads JSON and text, loads nothing."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

JSON = dict[str, Any]
_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
_GENERATION = ("do_sample", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_new_tokens")
_CONTEXT_KEYS = ("max_position_embeddings", "max_sequence_length", "seq_length", "n_positions", "model_max_length")


class CheckpointError(Exception):
    """Something is missing or wrong in a checkpoint directory; the message says what, where, and what to do."""


@dataclass(frozen=True)
class Quantization:
    bits: int
    group_size: int
    mode: str = "affine"


@dataclass(frozen=True)
class Checkpoint:
    """Facts of one checkpoint.

    Attributes:
        config: config.json as it is; `model_type` and `architecture` are its own words.
        context_length: tokens of prompt and output that the positions allow.
        stop_ids: token ids that end a turn, first the one that generation ends with.
        generation_defaults: the sampling keys of generation_config.json.
        chat_template: its text, None for a base model; `tool_template` if there is another one for tools.
        special_tokens: "bos_token" and the like → their text.
        layer_kinds: kind of each layer, e.g. "full_attention"; `kv_heads` and `head_dim` are of those that attend.
        weight_bytes: size of all safetensors files.
    """

    path: Path
    config: JSON
    model_type: str
    architecture: str
    context_length: int
    vocab_size: int
    stop_ids: tuple[int, ...]
    generation_defaults: JSON
    chat_template: str | None
    tool_template: str | None
    special_tokens: Mapping[str, str]
    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    layer_kinds: tuple[str, ...]
    quantization: Quantization | None
    weight_bytes: int
    text_config: JSON = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Reads the directory.

        Raises:
            CheckpointError: no such directory, a file missing, or one that makes no sense.
        """
        config = _config(path)
        text = {**config, **config["text_config"]} if isinstance(config.get("text_config"), dict) else config
        tokenizer_config = _read_json(path / "tokenizer_config.json", required=False)
        generation = _read_json(path / "generation_config.json", required=False)
        template, tool_template = _templates(path, tokenizer_config)
        heads = _number(text, "num_attention_heads", 0)
        hidden = _number(text, "hidden_size", 0)
        return cls(
            path=path,
            config=config,
            model_type=str(config["model_type"]),
            architecture=str((config.get("architectures") or ["unknown"])[0]),
            context_length=_context_length(text, tokenizer_config),
            vocab_size=_number(text, "vocab_size", 0),
            stop_ids=tuple(dict.fromkeys([*_ids(generation), *_ids(config), *_ids(text)])),
            generation_defaults={k: generation[k] for k in _GENERATION if generation.get(k) is not None},
            chat_template=template,
            tool_template=tool_template,
            special_tokens=_special_tokens(tokenizer_config),
            layers=_number(text, "num_hidden_layers", 0),
            hidden_size=hidden,
            heads=heads,
            kv_heads=_number(text, "num_key_value_heads", heads),
            head_dim=_number(text, "head_dim", hidden // heads if heads else 0),
            layer_kinds=_layer_kinds(text),
            quantization=_quantization(config),
            weight_bytes=sum(f.stat().st_size for f in path.glob("*.safetensors")),
            text_config=text,
        )


def _config(path: Path) -> JSON:
    if not path.is_dir():
        raise CheckpointError(f"{path} is not a directory. Give the directory that holds config.json and the weights.")
    config = _read_json(path / "config.json", required=True)
    if not isinstance(config.get("model_type"), str):
        raise CheckpointError(f"{path / 'config.json'} has no model_type: it does not describe a language model.")
    return config


def _read_json(path: Path, required: bool) -> JSON:
    if not path.is_file():
        if not required:
            return {}
        raise CheckpointError(f"{path} is missing. A checkpoint in Hugging Face or mlx-lm format has it.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no JSON object.")
    return value


def _number(config: JSON, key: str, default: int) -> int:
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _context_length(config: JSON, tokenizer_config: JSON) -> int:
    for source in (config, tokenizer_config):
        for key in _CONTEXT_KEYS:
            if 0 < _number(source, key, 0) < 1 << 30:  # tokenizers write 1e30 where they know no limit
                return _number(source, key, 0)
    return 4096


def _ids(config: JSON) -> Iterator[int]:
    value = config.get("eos_token_id")
    for token in value if isinstance(value, list) else [value]:
        if isinstance(token, int) and not isinstance(token, bool):
            yield token


def _special_tokens(tokenizer_config: JSON) -> dict[str, str]:
    tokens: dict[str, str] = {}
    for key in _SPECIAL:
        value = tokenizer_config.get(key)
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str):
            tokens[key] = text
    return tokens


def _templates(path: Path, tokenizer_config: JSON) -> tuple[str | None, str | None]:
    """The default template and the one for tools."""
    file = path / "chat_template.jinja"
    if file.is_file():
        extra = path / "additional_chat_templates" / "tool_use.jinja"
        return _read_text(file), _read_text(extra) if extra.is_file() else None
    found = _read_json(path / "chat_template.json", required=False).get("chat_template")
    found = found or tokenizer_config.get("chat_template")
    if isinstance(found, list):
        named = {t["name"]: t["template"] for t in found if isinstance(t, dict) and {"name", "template"} <= t.keys()}
        return named.get("default"), named.get("tool_use")
    return (found, None) if isinstance(found, str) else (None, None)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def _layer_kinds(config: JSON) -> tuple[str, ...]:
    kinds = config.get("layer_types")
    if isinstance(kinds, list) and all(isinstance(kind, str) for kind in kinds):
        return tuple(kinds)
    layers, interval = _number(config, "num_hidden_layers", 0), _number(config, "full_attention_interval", 0)
    if interval:
        return tuple("linear_attention" if (i + 1) % interval else "full_attention" for i in range(layers))
    return ("full_attention",) * layers


def _quantization(config: JSON) -> Quantization | None:
    q = config.get("quantization")
    if not isinstance(q, dict) or "bits" not in q:
        return None
    return Quantization(_number(q, "bits", 0), _number(q, "group_size", 0), str(q.get("mode", "affine")))
