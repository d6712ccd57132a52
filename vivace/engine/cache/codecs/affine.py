"""8 bits a number: each group of a vector has a lowest value and a step, both in bfloat16.

bfloat16 has the range of float32 and rounds by up to 2^-9. Both are rounded outwards and the codes are computed with
what is stored, so rounding widens the range a little and adds no error of its own.
"""

import mlx.core as mx

from vivace.engine.cache.codecs.coder import bytes_of, finite, from_bytes, narrowed

GROUP = 64  # numbers at most; a longer vector is divided evenly
_LEVELS = 255
_OUTWARDS = 2.0**-8
_SMALLEST_STEP = 1e-30
_PARAMETERS = 4  # bytes a group


def _groups(depth: int) -> int:
    return -(-depth // GROUP)


class Affine:
    """Error at most half a step: about (highest - lowest of the group) / 500."""

    def fits(self, depth: int, dtype: mx.Dtype) -> bool:
        return self.nbytes(1, depth, dtype) < depth * dtype.size

    def nbytes(self, vectors: int, depth: int, dtype: mx.Dtype) -> int:
        return vectors * (depth + _PARAMETERS * _groups(depth))

    def encode(self, x: mx.array) -> mx.array:
        rows, vectors, depth = x.shape
        grouped = _in_groups(finite(x))
        low, high = grouped.min(axis=-1, keepdims=True), grouped.max(axis=-1, keepdims=True)
        low = (low - _OUTWARDS * mx.abs(low)).astype(mx.bfloat16)
        span = (high - low.astype(mx.float32)) * ((1 + _OUTWARDS) / _LEVELS)
        step = mx.maximum(span, _SMALLEST_STEP).astype(mx.bfloat16)
        codes = mx.round((grouped - low.astype(mx.float32)) / step.astype(mx.float32)).astype(mx.uint8)
        codes = codes.reshape(rows, vectors, -1)[..., :depth]
        return mx.concatenate([bytes_of(low), bytes_of(step), bytes_of(codes)], axis=1)

    def decode(self, data: mx.array, depth: int, dtype: mx.Dtype) -> mx.array:
        rows, groups = data.shape[0], _groups(depth)
        vectors = data.shape[1] // self.nbytes(1, depth, dtype)
        begin = vectors * groups * _PARAMETERS
        parameters = from_bytes(data[:, :begin], mx.bfloat16).astype(mx.float32)
        low, step = parameters.reshape(rows, 2, vectors, groups, 1).swapaxes(0, 1)
        codes = _in_groups(data[:, begin:].reshape(rows, vectors, depth))
        x = low + codes.astype(mx.float32) * step
        return narrowed(x.reshape(rows, vectors, -1)[..., :depth], dtype)


def _in_groups(x: mx.array) -> mx.array:
    """`[rows, vectors, depth]` as `[rows, vectors, groups, size]`; the last number is repeated where one lacks."""
    depth = x.shape[-1]
    groups = _groups(depth)
    missing = -depth % groups
    if missing:
        x = mx.pad(x, [(0, 0), (0, 0), (0, missing)], mode="edge")
    return x.reshape(*x.shape[:2], groups, -1)
