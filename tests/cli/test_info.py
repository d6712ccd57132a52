"""`vivace info`, and what it reads from the headers of the weights."""

import json
import struct
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Vivace
from vivace.assets import embedded_model_path
from vivace.cli import tensors
from vivace.cli.info import float_bytes
from vivace.cli.tensors import Tensor


def write_safetensors(path: Path, **shapes: tuple[str, list[int]]) -> None:
    header = {name: {"dtype": dtype, "shape": shape, "data_offsets": [0, 0]} for name, (dtype, shape) in shapes.items()}
    body = json.dumps({"__metadata__": {"format": "mlx"}, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(body)) + body)


def test_headers_of_all_shards_are_read(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model-00001-of-00002.safetensors", a=("BF16", [2, 3]))
    write_safetensors(tmp_path / "model-00002-of-00002.safetensors", b=("F32", [4]))
    write_safetensors(tmp_path / "adapter.safetensors", c=("F32", [4]))
    assert tensors.read(tmp_path) == {"a": Tensor("BF16", (2, 3)), "b": Tensor("F32", (4,))}


PLAIN = {"w.weight": Tensor("BF16", (4, 128)), "norm.weight": Tensor("BF16", (128,))}
FOUR_BIT = {
    "w.weight": Tensor("U32", (4, 16)),
    "w.scales": Tensor("BF16", (4, 2)),
    "w.biases": Tensor("BF16", (4, 2)),
    "norm.weight": Tensor("BF16", (128,)),
}


@pytest.mark.parametrize("stored", [PLAIN, FOUR_BIT])
def test_a_quantized_model_has_as_many_parameters(stored: dict[str, Tensor]) -> None:
    assert tensors.parameters(stored, group_size=64) == 4 * 128 + 128


@pytest.mark.parametrize(
    ("stored", "number", "nbytes"),
    [(PLAIN, 2, 640 * 2), (PLAIN, 4, 640 * 4), (FOUR_BIT, 2, 256 + 144 * 2), (FOUR_BIT, 4, 256 + 144 * 4)],
)
def test_only_floating_point_numbers_change_their_size(stored: dict[str, Tensor], number: int, nbytes: int) -> None:
    assert tensors.loaded_bytes(stored, number) == nbytes


@pytest.mark.parametrize(
    ("dtype", "on_cpu", "nbytes"),
    [("auto", True, 4), ("auto", False, 2), ("float32", False, 4), ("bfloat16", True, 2), ("float16", True, 2)],
)
def test_bytes_of_a_number(dtype: str, on_cpu: bool, nbytes: int) -> None:
    assert float_bytes(dtype, on_cpu) == nbytes


@pytest.fixture
def facts(vivace: Vivace) -> Any:
    return json.loads(vivace("info", "--json", VIVACE_DTYPE="float32").out)


def test_the_embedded_model(facts: Any) -> None:
    assert (facts["model"], facts["directory"]) == ("vivace-mini", str(embedded_model_path()))
    assert facts["parameters"] == 25_652_652
    assert facts["quantization"] == {"bits": 8, "group_size": 64, "mode": "affine"}
    assert facts["layers"] == {"linear_attention": 9, "full_attention": 3}
    assert facts["stop_tokens"] == {"8182": "<|im_end|>", "8180": "<|endoftext|>"}
    assert facts["context"] == 32_768


def test_its_dialects_and_why(facts: Any) -> None:
    assert facts["dialects"]["tool"]["name"] == "qwen3_coder_xml"
    assert "<function=" in facts["dialects"]["tool"]["reason"]
    assert facts["dialects"]["reasoning"]["name"] == "think"


def test_its_memory_follows_the_formula(facts: Any) -> None:
    sequence = {row["context"]: row for row in facts["memory"]["sequence"]}
    assert max(sequence) == facts["context"]
    # 3 full-attention layers, keys and values of 2 heads with 64 numbers of 4 bytes
    assert sequence[2048]["kv"] == 2048 * 3 * 2 * 2 * 64 * 4
    assert sequence[8192]["state"] == sequence[2048]["state"] > 0
    if sys.platform == "linux" and find_spec("vivace_cpu"):  # the kernels take them as they are
        assert facts["memory"]["weights"] < 28_000_000
    for row in sequence.values():
        assert row["total"] == facts["memory"]["weights"] + row["kv"] + row["state"]


def test_a_cpu_without_kernels_holds_weights_dequantized(vivace: Vivace) -> None:
    facts = json.loads(vivace("info", "--json", VIVACE_CPU_LEVEL="off").out)
    if sys.platform == "linux":
        assert facts["memory"]["weights"] == 25_652_652 * 4


def test_a_dialect_that_was_set_is_said_to_be_set(vivace: Vivace) -> None:
    facts = json.loads(vivace("info", "--json", VIVACE_TOOL_DIALECT="none").out)
    assert facts["dialects"]["tool"] == {"name": "none", "reason": "set by the user"}


def test_the_same_model_elsewhere_is_the_same(vivace: Vivace, tmp_path: Path, facts: Any) -> None:
    (tmp_path / "other-name").symlink_to(embedded_model_path())
    elsewhere = json.loads(vivace("info", "other-name", "--json", VIVACE_DTYPE="float32").out)
    assert elsewhere["dialects"] == facts["dialects"]
    assert elsewhere["memory"] == facts["memory"]


def test_people_get_a_table(vivace: Vivace) -> None:
    shown = vivace("info").out
    assert "25.65 M parameters" in shown
    assert "tool dialect       qwen3_coder_xml (the chat template contains" in shown
    assert "32,768" in shown
