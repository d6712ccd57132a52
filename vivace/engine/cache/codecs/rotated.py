"""4, 3 or 2 bits a number: TurboQuant (arXiv 2504.19874) without its residual sketch.

A vector is rotated, its direction's coordinates are rounded to the best levels for their density, and a length is kept
in bfloat16. The length is not the vector's own but |x|² / <x, levels>: a rounded vector is too short by the part that
rounding took (12 % at 2 bits), and attention averages many of them, which evens out noise but no shortness. With it
<x, decoded> = |x|² for every vector.
"""

from functools import cache

import mlx.core as mx

from vivace.engine.cache.codecs.codebook import codebook
from vivace.engine.cache.codecs.coder import bytes_of, finite, from_bytes, narrowed
from vivace.engine.cache.codecs.packing import pack, packed_nbytes, unpack
from vivace.engine.cache.codecs.rotation import rotate, rotate_back

SHORTEST = 16  # numbers; shorter vectors do not follow the density well
_LENGTH = 2  # bytes
_TINY = 1e-30


class Rotated:
    """Relative squared error about 0.0096 (4 bits), 0.036 (3) and 0.13 (2), whatever the data."""

    def __init__(self, bits: int) -> None:
        self._bits = bits

    def fits(self, depth: int, dtype: mx.Dtype) -> bool:
        return depth >= SHORTEST

    def nbytes(self, vectors: int, depth: int, dtype: mx.Dtype) -> int:
        return vectors * (_LENGTH + packed_nbytes(depth, self._bits))

    def encode(self, x: mx.array) -> mx.array:
        depth = x.shape[-1]
        x = rotate(finite(x))
        squared = mx.square(x).sum(axis=-1, keepdims=True)
        codes = self._codes(x * mx.rsqrt(squared / depth + _TINY))
        aligned = (x * mx.take(_levels(depth, self._bits), codes)).sum(axis=-1, keepdims=True)
        length = (squared / mx.maximum(aligned, _TINY)).astype(mx.bfloat16)
        return mx.concatenate([bytes_of(length), bytes_of(pack(codes, self._bits))], axis=1)

    def decode(self, data: mx.array, depth: int, dtype: mx.Dtype) -> mx.array:
        rows = data.shape[0]
        vectors = data.shape[1] // self.nbytes(1, depth, dtype)
        begin = vectors * _LENGTH
        length = from_bytes(data[:, :begin], mx.bfloat16).astype(mx.float32)[..., None]
        codes = unpack(data[:, begin:].reshape(rows, vectors, -1), depth, self._bits)
        return narrowed(rotate_back(mx.take(_levels(depth, self._bits), codes) * length), dtype)

    def _codes(self, t: mx.array) -> mx.array:
        """Of numbers with mean square 1: how many edges lie below their magnitude, and the sign above that."""
        edges = codebook(t.shape[-1], self._bits).edges
        magnitude = mx.abs(t)
        codes = (t < 0).astype(mx.uint8) << (self._bits - 1)
        for edge in edges:
            codes = codes + (magnitude > edge)
        return codes


@cache
def _levels(depth: int, bits: int) -> mx.array:
    """The level of each code, float32 `[2^bits]`."""
    upper = codebook(depth, bits).levels
    levels = mx.array([*upper, *(-level for level in upper)], mx.float32)
    mx.eval(levels)  # an array that is kept must belong to no thread
    return levels
