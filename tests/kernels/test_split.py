"""Split layers give what whole ones give, on any number of streams."""

import mlx.core as mx
import mlx.nn as nn
import pytest

from vivace.kernels import split
from vivace.kernels.split import SplitEmbedding, SplitLinear, split_layer, split_matmul


@pytest.fixture(params=[1, 2, 3])
def streams(request: pytest.FixtureRequest) -> list[mx.Stream]:
    return [mx.default_stream(mx.cpu), *(mx.new_stream(mx.cpu) for _ in range(request.param - 1))]


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "_SMALLEST", 0)
    monkeypatch.setattr(split, "_SMALLEST_FOR_MANY_ROWS", 0)


@pytest.mark.parametrize("shape", [(1, 1, 16), (2, 5, 16), (7, 16)])
@pytest.mark.parametrize("outputs", [1, 10, 33])
def test_a_product_in_shares_is_the_product(streams, shape, outputs):
    x = mx.random.normal(shape, key=mx.random.key(0))
    weight = mx.random.normal((outputs, 16), key=mx.random.key(1))
    found = split_matmul(x, weight, streams)
    assert found.shape == (*shape[:-1], outputs)
    assert mx.allclose(found, x @ weight.T, atol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
def test_a_linear_layer_keeps_its_meaning(streams, bias):
    linear = nn.Linear(16, 10, bias=bias)
    x = mx.random.normal((3, 16), key=mx.random.key(2))
    assert mx.allclose(SplitLinear(linear, streams)(x), linear(x), atol=1e-5)


def test_an_embedding_looks_up_and_serves_as_the_head(streams):
    embedding = nn.Embedding(30, 16)
    ours = SplitEmbedding(embedding, streams)
    x = mx.random.normal((3, 16), key=mx.random.key(3))
    assert mx.array_equal(ours(mx.array([4, 7])), embedding(mx.array([4, 7])))
    assert mx.allclose(ours.as_linear(x), embedding.as_linear(x), atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nn.Linear(4, 4), SplitLinear),
        (nn.Embedding(4, 4), SplitEmbedding),
        (nn.RMSNorm(4), nn.RMSNorm),
        (nn.QuantizedLinear(64, 8), nn.QuantizedLinear),
    ],
)
def test_only_dense_layers_are_exchanged(streams, layer, kind):
    assert type(split_layer(layer, streams)) is kind


@pytest.mark.parametrize(
    ("rows", "weights", "worthwhile"),
    [(1, 800_000, True), (8, 500_000, False), (512, 500_000, True), (512, 400_000, False)],
)
def test_small_work_is_not_split(monkeypatch, rows, weights, worthwhile):
    monkeypatch.undo()
    assert split._worthwhile(rows, weights) == worthwhile
