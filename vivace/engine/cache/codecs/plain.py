"""Vectors as they are."""

import mlx.core as mx

from vivace.engine.cache.codecs.coder import bytes_of, from_bytes


class Plain:
    """Bit for bit, whatever the dtype."""

    def fits(self, depth: int, dtype: mx.Dtype) -> bool:
        return True

    def nbytes(self, vectors: int, depth: int, dtype: mx.Dtype) -> int:
        return vectors * depth * dtype.size

    def encode(self, x: mx.array) -> mx.array:
        return bytes_of(x)

    def decode(self, data: mx.array, depth: int, dtype: mx.Dtype) -> mx.array:
        return from_bytes(data, dtype).reshape(data.shape[0], -1, depth)
