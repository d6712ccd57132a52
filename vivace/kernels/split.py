"""Large dense layers on a CPU, split by output features over several MLX streams.

A stream has a thread of its own that sleeps while it has nothing to do. OpenBLAS's threads instead wait for each other
by spinning: as quick on an idle machine, ruinous as soon as something else runs (docs/cpu.md). So with few cores each
stream computes its share of the rows with one BLAS thread. Every output is the same dot product as without the split.
"""

from collections.abc import Sequence

import mlx.core as mx
import mlx.nn as nn

# Handing a share to another thread and waiting for it costs some 0.15 ms (measured, docs/cpu.md): below so many weights
# it takes longer than what it saves, for a few rows and for a prompt.
_SMALLEST, _SMALLEST_FOR_MANY_ROWS, _MANY_ROWS = 800_000, 500_000, 32


class SplitLinear(nn.Module):  # type: ignore[misc]  # mlx is not typed
    """An `nn.Linear` whose weight [out, in] is computed in shares of its rows, one per stream."""

    def __init__(self, linear: nn.Linear, streams: Sequence[mx.Stream]) -> None:
        super().__init__()
        self.weight = linear.weight
        if "bias" in linear:
            self.bias = linear.bias
        self._streams = tuple(streams)

    def __call__(self, x: mx.array) -> mx.array:
        y = split_matmul(x, self.weight, self._streams)
        return y + self.bias if "bias" in self else y


class SplitEmbedding(nn.Embedding):  # type: ignore[misc]  # mlx is not typed
    """An `nn.Embedding` that is split where it serves as the head."""

    def __init__(self, embedding: nn.Embedding, streams: Sequence[mx.Stream]) -> None:
        nn.Module.__init__(self)
        self.weight = embedding.weight
        self._streams = tuple(streams)

    def as_linear(self, x: mx.array) -> mx.array:
        return split_matmul(x, self.weight, self._streams)


def split_matmul(x: mx.array, weight: mx.array, streams: Sequence[mx.Stream]) -> mx.array:
    """x [..., in] by weight [out, in], transposed: [..., out]; the rows of weight in one share per stream."""
    if not _worthwhile(x.size // x.shape[-1], weight.size):
        return x @ weight.T
    share = -(-weight.shape[0] // len(streams))
    shares = [weight[i * share : (i + 1) * share] for i in range(len(streams))]
    parts = [mx.matmul(x, rows.T, stream=stream) for rows, stream in zip(shares, streams, strict=True)]
    return mx.concatenate(parts, axis=-1)


def split_layer(layer: nn.Module, streams: Sequence[mx.Stream]) -> nn.Module:
    """The layer, or the split one in place of a dense one."""
    if type(layer) is nn.Linear:
        return SplitLinear(layer, streams)
    if type(layer) is nn.Embedding:
        return SplitEmbedding(layer, streams)
    return layer


def _worthwhile(rows: int, weights: int) -> bool:
    return weights >= (_SMALLEST_FOR_MANY_ROWS if rows >= _MANY_ROWS else _SMALLEST)
