"""A codec of blocks: one coder for keys, one for values."""

from math import prod
from typing import Protocol

import mlx.core as mx

from vivace.engine.cache.codecs.coder import Coder

Shape = tuple[int, ...]


class Codec(Protocol):
    """Blocks of keys and values, to rows of bytes and back. Shapes are those of one block, `[..., n, depth]`.

    A row holds one block and needs no other; its size follows from shapes and dtype.
    """

    @property
    def name(self) -> str: ...

    def encode(self, keys: mx.array, values: mx.array) -> mx.array:
        """`[blocks, ..., n, depth]` of one floating dtype, to uint8 `[blocks, nbytes]`.

        Leading axes may differ between keys and values, the number of blocks not; a depth may be 0.
        """

    def decode(
        self, rows: mx.array, key_shape: Shape, value_shape: Shape, dtype: mx.Dtype
    ) -> tuple[mx.array, mx.array]:
        """Keys and values `[blocks, *shape]` of uint8 `[blocks, nbytes]`."""

    def nbytes(self, key_shape: Shape, value_shape: Shape, dtype: mx.Dtype) -> int:
        """Bytes of one row."""


class Pair:
    """`keys`, `values`: coders, of which the first that fits the vectors is taken.

    What mlx-lm's models with multi-head latent attention cache as values are the parts of keys that carry positions
    (one head, other depth than the latents, from which keys and values are computed): both are coded as keys.
    """

    def __init__(self, name: str, keys: tuple[Coder, ...], values: tuple[Coder, ...]) -> None:
        self.name = name
        self._keys, self._values = keys, values

    def encode(self, keys: mx.array, values: mx.array) -> mx.array:
        assert keys.dtype == values.dtype
        coders = self._for_values(keys.shape[1:], values.shape[1:])
        return mx.concatenate([_encode(self._keys, keys), _encode(coders, values)], axis=1)

    def decode(
        self, rows: mx.array, key_shape: Shape, value_shape: Shape, dtype: mx.Dtype
    ) -> tuple[mx.array, mx.array]:
        end = _nbytes(self._keys, key_shape, dtype)
        keys = _decode(self._keys, rows[:, :end], key_shape, dtype)
        return keys, _decode(self._for_values(key_shape, value_shape), rows[:, end:], value_shape, dtype)

    def nbytes(self, key_shape: Shape, value_shape: Shape, dtype: mx.Dtype) -> int:
        coders = self._for_values(key_shape, value_shape)
        return _nbytes(self._keys, key_shape, dtype) + _nbytes(coders, value_shape, dtype)

    def _for_values(self, key_shape: Shape, value_shape: Shape) -> tuple[Coder, ...]:
        one_head = key_shape[-3:-2] == value_shape[-3:-2] == (1,)
        latent = one_head and key_shape[-1] != value_shape[-1]
        return self._keys if latent else self._values


def _choice(coders: tuple[Coder, ...], depth: int, dtype: mx.Dtype) -> Coder:
    return next(coder for coder in coders if coder.fits(depth, dtype))


def _nbytes(coders: tuple[Coder, ...], shape: Shape, dtype: mx.Dtype) -> int:
    depth = shape[-1]
    return _choice(coders, depth, dtype).nbytes(prod(shape[:-1]), depth, dtype) if depth else 0


def _encode(coders: tuple[Coder, ...], x: mx.array) -> mx.array:
    blocks, depth = x.shape[0], x.shape[-1]
    if x.size == 0:
        return mx.zeros((blocks, 0), mx.uint8)
    return _choice(coders, depth, x.dtype).encode(x.reshape(blocks, -1, depth))


def _decode(coders: tuple[Coder, ...], data: mx.array, shape: Shape, dtype: mx.Dtype) -> mx.array:
    blocks, depth = data.shape[0], shape[-1]
    if blocks * prod(shape) == 0:
        return mx.zeros((blocks, *shape), dtype)
    return _choice(coders, depth, dtype).decode(data, depth, dtype).reshape(blocks, *shape)
