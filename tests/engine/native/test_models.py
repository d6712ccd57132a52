"""Whole models on the native kernels: the logits are those of plain MLX, whatever is fused, batched or stored."""

import random

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx_lm.models.rope_utils import YarnRoPE

from tests.random_models import KINDS, ONE_BY_ONE, VOCAB, random_checkpoint
from vivace.engine.cache.ragged import BatchCaches
from vivace.engine.models import LoadedModel, LoadError, load
from vivace.engine.native.blocks import FusedBlock
from vivace.engine.native.layers import Kernels, NativeLinear, PackedLayer, native_layer
from vivace.engine.probe import probe
from vivace.engine.seams import Means, install_seams

vivace_cpu = pytest.importorskip("vivace_cpu")

FUSED = ("qwen3", "llama", "llama_window", "gemma3", "qwen3_moe", "qwen3_5", "qwen3_next")


def tokens(length: int, seed: int = 0) -> list[int]:
    return random.Random(1000 * length + seed).choices(range(VOCAB), k=length)


def native(folder, exact: bool = True, dtype: str = "float32") -> LoadedModel:
    return load(folder, dtype, lambda _: None, Means(Kernels(vivace_cpu, exact)))


def logits(model: LoadedModel, prompt: list[int], pieces: list[int]) -> mx.array:
    """Of the prompt's last tokens, which are fed one by one after the others have been prefilled in pieces."""
    caches = model.make_caches(len(prompt))
    begin, rows = 0, []
    for n in [*pieces, *[1] * (len(prompt) - sum(pieces))]:
        rows.append(model.forward(mx.array([prompt[begin : begin + n]]), caches)[0, -1])
        mx.eval(rows[-1])
        begin += n
    return mx.stack(rows[len(pieces) - 1 :])


def distance(found: mx.array, truth: mx.array) -> float:
    """Relative root mean square."""
    a, b = np.array(found.astype(mx.float32)), np.array(truth.astype(mx.float32))
    return float(np.sqrt(((a - b) ** 2).mean() / (b**2).mean()))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """checkpoint(kind, bits) -> its folder."""
    folders = {}

    def get(kind: str, bits: int | None = None, dtype: str = "float32"):
        key = kind, bits, dtype
        if key not in folders:
            folder = tmp_path_factory.mktemp("models") / f"{kind}-{bits}-{dtype}"
            folders[key] = random_checkpoint(folder, kind, 0, bits, dtype)
        return folders[key]

    return get


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_plain_mlx(checkpoint, kind):
    folder, prompt = checkpoint(kind), tokens(60)
    stock = logits(load(folder, "float32", lambda _: None), prompt, [57])
    assert distance(logits(native(folder), prompt, [17, 30, 10]), stock) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_of_known_classes_are_fused(checkpoint, kind):
    blocks = [layer for layer in native(checkpoint(kind)).model.layers if isinstance(layer, FusedBlock)]
    assert bool(blocks) == (kind in FUSED)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("kind", ["qwen3", "llama", "gemma3", "qwen3_5", "qwen3_moe"])
def test_quantized_models_keep_their_meaning(checkpoint, kind, bits):
    """Exact: as the dequantized model; int8 activations: near it, and nearer than what MLX makes of bfloat16."""
    folder, prompt = checkpoint(kind, bits, "bfloat16"), tokens(40)
    truth = logits(load(folder, "float32", lambda _: None), prompt, [37])  # dequantized to float32
    assert distance(logits(native(folder), prompt, [37]), truth) < 1e-4
    rounded = distance(logits(native(folder, exact=False, dtype="auto"), prompt, [37]), truth)
    stock = distance(logits(_in_bfloat16(folder), prompt, [37]), truth)
    assert rounded < 0.1
    assert rounded < stock


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ONE_BY_ONE])
def test_rows_of_a_batch_get_what_they_get_alone(checkpoint, kind, exact):
    model = native(checkpoint(kind, 8), exact=exact)
    prompts = [tokens(n) for n in (5, 40, 2, 33)]
    alone = [logits(model, prompt, [len(prompt) - 1])[-1] for prompt in prompts]
    caches = [model.make_caches(64) for _ in prompts]
    for prompt, cache in zip(prompts, caches, strict=True):
        model.forward(mx.array([prompt[:-1]]), cache)
    batch = BatchCaches()
    batch.change([], caches, caches)
    batch.advance([len(prompt) - 1 for prompt in prompts])
    together = model.forward(mx.array([[prompt[-1]] for prompt in prompts]), batch.layers)[:, -1]
    for row, expected in zip(together, alone, strict=True):
        assert distance(row, expected) < 1e-4


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ONE_BY_ONE])
def test_rows_share_a_forward_with_rounded_activations_too(checkpoint, kind):
    assert probe(native(checkpoint(kind, 8, "bfloat16"), exact=False, dtype="auto"))[1].unshared == ""


@pytest.mark.parametrize("kind", ["qwen3", "qwen3_5", "gemma3"])
def test_slabs_are_written_in_place(checkpoint, kind):
    model = native(checkpoint(kind))
    caches = model.make_caches(200)
    slab = next(cache for cache in caches if hasattr(cache, "lend"))
    seen = set()
    for n in (20, 1, 1, 9, 1):
        mx.eval(model.forward(mx.array([tokens(n)]), caches), slab.state)
        seen.add(tuple(np.array(array, copy=False).__array_interface__["data"][0] for array in slab.state))
    assert len(seen) == 1


def test_keys_are_stored_in_half_precision_unless_a_dtype_is_asked_for(checkpoint):
    for dtype, stored in (("auto", mx.float16), ("float32", mx.float32)):
        model = native(checkpoint("qwen3"), dtype=dtype)
        caches = model.make_caches(20)
        mx.eval(model.forward(mx.array([tokens(10)]), caches))
        assert caches[0].keys.dtype == stored


def _in_bfloat16(folder) -> LoadedModel:
    from mlx_lm.utils import load_model

    return LoadedModel(load_model(folder)[0], "bfloat16", 0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_activations_in_half_precision(checkpoint, kind, dtype):
    folder, prompt = checkpoint(kind), tokens(40)
    truth = logits(load(folder, "float32", lambda _: None), prompt, [37])
    assert distance(logits(native(folder, dtype=dtype), prompt, [20, 17]), truth) < 0.2


def test_gemma_clips_its_residuals_in_float16(checkpoint):
    blocks = native(checkpoint("gemma3"), dtype="float16").model.layers
    assert not any(isinstance(block, FusedBlock) for block in blocks)


def test_a_layer_of_ours_answers_what_models_ask_of_theirs():
    kernels = Kernels(vivace_cpu)
    rope, norm = native_layer(nn.RoPE(8, base=500.0), kernels), native_layer(nn.RMSNorm(8, eps=1e-4), kernels)
    packed = native_layer(nn.QuantizedLinear(64, 32, bits=4, group_size=32), kernels)
    assert (rope.base, rope.dims, norm.eps) == (500.0, 8, 1e-4)
    assert (packed.bits, packed.group_size, packed.mode) == (4, 32, "affine")


def test_quantized_weights_are_packed_and_their_arrays_let_go_of(checkpoint):
    folder, fractions = checkpoint("qwen3", 4), []
    model = load(folder, "auto", fractions.append, Means(Kernels(vivace_cpu)))
    layers = [m for _, m in model.model.named_modules() if isinstance(m, PackedLayer)]
    assert len(layers) > 7
    assert not any(name in layer for layer in layers for name in ("weight", "scales", "biases"))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    on_disk = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    assert 0.9 * on_disk < model.weight_bytes < 1.5 * on_disk  # n is rounded up to 32


def test_a_layer_in_two_places_stays_one():
    model = nn.Module()
    layer = nn.Linear(64, 64)
    model.first, model.second = layer, layer
    install_seams(model, Means(Kernels(vivace_cpu)))
    assert model.first is model.second
    assert type(model.first) is NativeLinear


def test_weights_that_do_not_fit_together_are_a_load_error(tmp_path):
    folder = random_checkpoint(tmp_path / "broken", "qwen3", 0, 4)
    file = next(folder.glob("*.safetensors"))
    weights = mx.load(str(file))
    name = next(name for name in weights if name.endswith("down_proj.biases"))
    mx.save_safetensors(str(file), {**weights, name: weights[name].astype(mx.int32)}, {"format": "mlx"})
    with pytest.raises(LoadError, match="biases must have the shape and dtype of scales"):
        native(folder)


def test_a_rope_asked_for_more_is_mlx_lms():
    stock = YarnRoPE(8, scaling_factor=4.0)
    x = mx.random.normal((1, 2, 3, 8), key=mx.random.key(0))
    ours = native_layer(stock, Kernels(vivace_cpu))
    assert mx.allclose(ours(x, offset=5), stock(x, offset=5), atol=1e-5)
    assert mx.array_equal(ours(x, offset=5, inverse=True), stock(x, offset=5, inverse=True))
