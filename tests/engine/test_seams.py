"""The seams are where mlx-lm 0.32.2 has them, and what goes through them computes the same."""

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx_lm.models import falcon_h1, qwen3, qwen3_5, qwen3_next
from mlx_lm.models import gated_delta as delta

from tests.engine.harness import reference
from vivace.engine import seams
from vivace.engine.seams import DepthwiseConv1d, on_cpu

only_on_cpu = pytest.mark.skipif(not on_cpu(), reason="a GPU keeps MLX's own function")


def test_loaded_models_look_our_functions_up(loaded):
    loaded("qwen3")
    loaded("qwen3_5")
    assert qwen3.scaled_dot_product_attention in seams._installed
    assert qwen3_5.gated_delta_update in seams._installed
    assert (qwen3.swiglu in seams._installed) == on_cpu()
    assert (qwen3_next.precise_swiglu in seams._installed) == on_cpu()


def test_silu_stays_mlx_s_since_it_is_traced_without_shapes(loaded):
    loaded("qwen3_5")
    traced = mx.compile(lambda gate: nn.silu(gate), shapeless=True)
    large = mx.ones((1, 512, 64))
    assert mx.allclose(traced(large), mx.sigmoid(large), atol=1e-6)


def test_the_stock_functions_are_mlx_lms():
    assert seams._STOCK["scaled_dot_product_attention"].__module__ == "mlx_lm.models.base"
    assert seams._STOCK["gated_delta_update"].__module__ == "mlx_lm.models.gated_delta"


def test_what_our_delta_rule_leaves_to_mlx_lm_reaches_mlx_lm(loaded):
    loaded("qwen3_5")
    q = k = v = mx.random.normal((1, 3, 2, 32), key=mx.random.key(0))
    per_channel = mx.random.normal((1, 3, 2, 32), key=mx.random.key(1))
    b = mx.zeros((1, 3, 2))
    y, state = delta.gated_delta_update(q, k, v, per_channel, b, mx.zeros((2, 1)), mx.zeros((2, 32)))
    assert y.shape == v.shape
    assert state.shape == (1, 2, 32, 32)


@only_on_cpu
@pytest.mark.parametrize("kind", ["qwen3_5", "falcon_h1"])
def test_depthwise_convolutions_are_exchanged(loaded, kind):
    modules = list(loaded(kind).model.modules())
    assert any(isinstance(module, DepthwiseConv1d) for module in modules)
    assert not any(isinstance(module, nn.Conv1d) for module in modules)


@pytest.mark.parametrize("bias", [False, True])
def test_an_exchanged_convolution_computes_the_same(bias):
    stock = nn.Conv1d(12, 12, 4, groups=12, bias=bias)
    x = mx.random.normal((2, 9, 12), key=mx.random.key(0))
    assert mx.allclose(DepthwiseConv1d(stock)(x), stock(x), atol=1e-5)


@only_on_cpu
@pytest.mark.parametrize(("kind", "module"), [("qwen3", qwen3), ("qwen3_5", qwen3_5), ("falcon_h1", falcon_h1)])
def test_logits_are_those_of_the_untouched_model(loaded, kind, module, monkeypatch):
    model = loaded(kind)
    prompt = [(7 * i) % 299 for i in range(70)]
    _, ours = reference(model, prompt, 3)
    for name, stock in seams._STOCK.items():
        if hasattr(module, name):
            monkeypatch.setattr(module, name, stock)
    _, stock_logits = reference(model, prompt, 3)
    assert mx.allclose(ours, stock_logits, atol=1e-4)
    assert not mx.array_equal(ours, stock_logits)  # the seams did make a difference
