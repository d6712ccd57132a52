"""What the embedded checkpoint says of itself, and that its weights are what it says."""

import json
import struct
from math import prod
from typing import Any

from tokenizers import Tokenizer

from training.network.config import Config
from vivace.assets import embedded_model_path

FOLDER = embedded_model_path()
WEIGHTS = FOLDER / "model.safetensors"


def read(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return value


def tensors() -> dict[str, dict[str, Any]]:
    """The header of the weights: dtype and shape of every tensor."""
    with WEIGHTS.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: dict[str, dict[str, Any]] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header


def parameters(header: dict[str, dict[str, Any]]) -> int:
    """Numbers that the tensors stand for: four 8-bit ones in each uint32; scales and biases are none."""
    counted = {name: t for name, t in header.items() if not name.endswith((".scales", ".biases"))}
    return sum(prod(t["shape"]) * (4 if t["dtype"] == "U32" else 1) for t in counted.values())


def test_the_sizes_are_those_of_the_recipe() -> None:
    text, recipe = read("config.json")["text_config"], Config()
    same = (
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "full_attention_interval",
        "head_dim",
    )
    assert {key: text[key] for key in same} == {key: getattr(recipe, key) for key in same}
    assert (text["num_attention_heads"], text["num_key_value_heads"]) == (recipe.num_heads, recipe.num_kv_heads)
    full = [kind == "full_attention" for kind in text["layer_types"]]
    assert full == [recipe.full_attention(i) for i in range(recipe.num_layers)]
    assert sum(full) == 3


def test_the_architecture_is_one_that_mlx_lm_knows() -> None:
    config = read("config.json")
    assert (config["model_type"], config["text_config"]["model_type"]) == ("qwen3_5", "qwen3_5_text")
    assert config["quantization"] == {"group_size": 64, "bits": 8, "mode": "affine"}


def test_the_stop_ids_are_the_end_of_a_turn_and_the_end_of_text() -> None:
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    stops = [tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")]
    assert stops == [8182, 8180]
    assert read("generation_config.json")["eos_token_id"] == read("config.json")["eos_token_id"] == stops


def test_answers_are_greedy_unless_the_client_wants_otherwise() -> None:
    assert read("generation_config.json")["do_sample"] is False


def test_the_weights_are_whole_and_as_many_as_the_model_card_says() -> None:
    header = tensors()
    end = max(t["data_offsets"][1] for t in header.values())
    with WEIGHTS.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
    assert 8 + length + end == WEIGHTS.stat().st_size
    assert parameters(header) == 25_652_652
    assert "25,652,652 parameters" in (FOLDER / "README.md").read_text()


def test_the_index_lists_every_tensor() -> None:
    assert read("model.safetensors.index.json")["weight_map"].keys() == tensors().keys()


def test_the_model_card_names_the_license() -> None:
    assert (FOLDER / "README.md").read_text().startswith("---\nlicense: apache-2.0\n")
