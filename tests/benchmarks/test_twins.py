"""A twin has the sizes of the model that it stands for."""

import json
from math import prod
from pathlib import Path

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten
from mlx_lm.utils import load_model

import vivace.assets
from benchmarks._twins import FORMATS, TWINS, Config, formats_of, metadata, tensors, vocabulary
from benchmarks.shapes import SHAPES, write_checkpoint

MINI: Config = json.loads((Path(vivace.assets.__file__).parent / "vivace-mini" / "config.json").read_text())


@pytest.mark.parametrize("kind", FORMATS)
def test_formats_take_the_bits_that_ours_take(kind: str) -> None:
    bits = next(bits for bits, kinds in TWINS.items() if kind in kinds)
    assert 8 * FORMATS[kind].nbytes / FORMATS[kind].values == bits + 0.5  # a 16-bit scale and bias for 64 weights


def small(shape: str) -> Config:
    """Few layers and words, but the same kinds of layers."""
    config = json.loads(json.dumps(SHAPES[shape]))
    config.get("text_config", config).update(num_hidden_layers=4, vocab_size=512)
    return config


@pytest.mark.parametrize("shape", ["qwen3-0.6b", "qwen3.5-0.8b"])
def test_a_twin_has_as_many_weights(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPES, shape, small(shape))
    weights = mx.load(str(write_checkpoint(tmp_path, shape, mx.bfloat16) / "model.safetensors"))
    assert sum(prod(t.shape) for t in tensors(small(shape))) == sum(array.size for array in weights.values())


def test_a_quantized_checkpoint_loads_with_weights_of_its_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPES, "qwen3-0.6b", small("qwen3-0.6b"))
    model, config = load_model(write_checkpoint(tmp_path, "qwen3-0.6b", mx.bfloat16, 4))
    assert config["quantization"] == {"group_size": 64, "bits": 4}
    layer = model.layers[0].mlp.up_proj
    dense = mx.dequantize(layer.weight, layer.scales, layer.biases, 64, 4).astype(mx.float32)
    assert abs(mx.mean(dense).item()) < 1e-3
    assert abs(mx.std(dense).item() - 0.02) < 1e-3
    assert all(mx.isfinite(array).all() for _, array in tree_flatten(model.parameters()) if array.dtype != mx.uint32)


def test_the_hybrid_is_told_by_its_recurrent_sizes() -> None:
    facts = metadata(MINI)
    assert (facts["ssm.inner_size"], facts["ssm.state_size"], facts["full_attention_interval"]) == (384, 64, 4)
    assert sum(facts["rope.dimension_sections"]) * 2 == facts["rope.dimension_count"] == 16
    names = [tensor.name for tensor in tensors(MINI)]
    assert {"blk.0.ssm_out.weight", "blk.3.attn_q.weight"} <= set(names)
    assert "blk.3.ssm_out.weight" not in names


def test_rows_that_blocks_do_not_fill_have_no_such_twin() -> None:
    assert formats_of(SHAPES["qwen3-0.6b"], 4) == ["Q4_0", "Q4_K"]
    assert formats_of(MINI, 4) == ["Q4_0"]  # 384 is no multiple of 256


def test_all_tokens_have_names_of_their_own() -> None:
    assert len(set(vocabulary(1000))) == 1000
