"""What encodes one kind of vectors, keys or values."""

from typing import Protocol

import mlx.core as mx

# Beyond this nothing is a key or value any more, and squares of less can be summed in float32.
_LARGEST = 1e15
_LARGEST_HALF = 65504.0


class Coder(Protocol):
    """Rows of `vectors` vectors of `depth` numbers, to bytes and back; each row on its own."""

    def fits(self, depth: int, dtype: mx.Dtype) -> bool:
        """Whether it makes such vectors smaller; the last choice says True to all."""

    def nbytes(self, vectors: int, depth: int, dtype: mx.Dtype) -> int:
        """Bytes of one row."""

    def encode(self, x: mx.array) -> mx.array:
        """`[rows, vectors, depth]` of a floating dtype, to uint8 `[rows, nbytes]`."""

    def decode(self, data: mx.array, depth: int, dtype: mx.Dtype) -> mx.array:
        """uint8 `[rows, nbytes]`, to `[rows, vectors, depth]`."""


def limit(dtype: mx.Dtype) -> float:
    """The largest magnitude that lossy coders keep."""
    return _LARGEST_HALF if dtype == mx.float16 else _LARGEST


def finite(x: mx.array) -> mx.array:
    """float32, NaN as 0, all else within `limit`."""
    most = limit(x.dtype)
    return mx.clip(mx.nan_to_num(x.astype(mx.float32)), -most, most)


def narrowed(x: mx.array, dtype: mx.Dtype) -> mx.array:
    """In `dtype`, where the error of a large number must not become an infinity."""
    return (mx.clip(x, -_LARGEST_HALF, _LARGEST_HALF) if dtype == mx.float16 else x).astype(dtype)


def bytes_of(x: mx.array) -> mx.array:
    """`[rows, …]` as uint8 `[rows, nbytes]`."""
    flat = mx.contiguous(x.reshape(x.shape[0], -1))
    return flat if flat.dtype == mx.uint8 else flat.view(mx.uint8)


def from_bytes(data: mx.array, dtype: mx.Dtype) -> mx.array:
    """uint8 `[rows, nbytes]` as `[rows, n]` of `dtype`."""
    return mx.contiguous(data).view(dtype)
