"""Recurrent state at one position: taken and put back without a copy, since MLX arrays are values."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import msgspec
import numpy as np
from mlx_lm.models.cache import ArraysCache

from vivace.engine.cache.layout import Buffer, elementary

_HEADER = struct.Struct("<I")
_Described = list[list[tuple[str, tuple[int, ...]] | None]]  # of each recurrent layer, of each array: dtype and shape


@dataclass(frozen=True)
class Snapshot:
    """The arrays of every recurrent layer, None where a layer has not written one."""

    layers: tuple[tuple[mx.array | None, ...], ...]

    @classmethod
    def take(cls, caches: Sequence[Any]) -> "Snapshot":
        """Of caches that hold one sequence; its arrays are on their way to being computed."""
        layers = tuple(tuple(_own(array) for array in cache.cache) for cache in _recurrent(caches))
        snapshot = cls(layers)
        mx.async_eval(snapshot.arrays)
        return snapshot

    @property
    def arrays(self) -> list[mx.array]:
        return [array for layer in self.layers for array in layer if array is not None]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays)

    def put_back(self, caches: Sequence[Any]) -> None:
        """Set the recurrent layers of caches to this state."""
        for cache, layer in zip(_recurrent(caches), self.layers, strict=True):
            cache.cache = [_own(array) for array in layer]

    def encode(self) -> Buffer:
        """Bytes that say what they are."""
        described: _Described = [[None if a is None else (_name(a), a.shape) for a in layer] for layer in self.layers]
        header = msgspec.msgpack.encode(described)
        flat = [array.reshape(-1).view(mx.uint8) for array in self.arrays]
        mx.eval(flat)
        return b"".join([_HEADER.pack(len(header)), header, *(np.array(array, copy=False).data for array in flat)])

    @classmethod
    def decode(cls, data: Buffer) -> "Snapshot":
        """The inverse of `encode`."""
        view = memoryview(data)
        (length,) = _HEADER.unpack_from(view)
        at = _HEADER.size + length
        described = msgspec.msgpack.decode(view[_HEADER.size : at], type=_Described)
        layers = []
        for layer in described:
            arrays: list[mx.array | None] = []
            for entry in layer:
                if entry is None:
                    arrays.append(None)
                    continue
                dtype, shape = getattr(mx, entry[0]), entry[1]
                size = int(np.prod(shape)) * dtype.size
                flat = mx.array(np.frombuffer(view[at : at + size], np.uint8))
                arrays.append(flat.view(dtype).reshape(shape))
                at += size
            layers.append(tuple(arrays))
        return cls(tuple(layers))


def _recurrent(caches: Sequence[Any]) -> list[ArraysCache]:
    return [cache for cache in elementary(caches) if type(cache) is ArraysCache]


def _own(array: mx.array | None) -> mx.array | None:
    """The same value as an array of its own, which nobody changes in place, and without a larger buffer that it was a
    part of."""
    return None if array is None else mx.contiguous(array)


def _name(array: mx.array) -> str:
    return str(array.dtype).removeprefix("mlx.core.")
