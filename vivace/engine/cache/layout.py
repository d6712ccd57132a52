"""What a model keeps per token, sorted into parts, and those parts as bytes.

full: keys and values of layers that attend to everything, by block. window: those of sliding-window layers, only needed
near the end of a prefix. state: recurrent state (DeltaNet, SSM, convolution) at one position, which cannot be cut
shorter: see `snapshots.py`.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import ArraysCache, CacheList

from vivace.engine.cache.chain import BLOCK
from vivace.engine.cache.codecs import Codec
from vivace.engine.cache.slab import Slab

Part = Literal["full", "window", "state"]
Buffer = Any  # bytes or a contiguous uint8 array: rows of a block
Shape = tuple[int, ...]


def elementary(caches: Sequence[Any]) -> list[Any]:
    """The caches of all layers with `CacheList`s unfolded, in order."""
    return [
        part for cache in caches for part in (elementary(cache.caches) if isinstance(cache, CacheList) else [cache])
    ]


@dataclass(frozen=True)
class LayerShape:
    """Keys and values of one layer: heads, their sizes, and the dtype."""

    heads: int
    key_dim: int
    value_dim: int
    dtype: mx.Dtype

    def of(self, tokens: int) -> tuple[Shape, Shape, mx.Dtype]:
        """Of a block of so many tokens: shapes `[H, tokens, D]` of its keys and its values, and their dtype."""
        return (self.heads, tokens, self.key_dim), (self.heads, tokens, self.value_dim), self.dtype


@dataclass(frozen=True)
class Layout:
    """How the caches of one model are stored; learnt from caches that have run.

    Attributes:
        window: tokens that sliding-window layers look back, 0 without such layers.
        has_state: there are recurrent layers.
        problem: why prefixes cannot be kept, "" if they can.
    """

    full: tuple[LayerShape, ...]
    windows: tuple[LayerShape, ...]
    window: int
    has_state: bool
    codec: Codec
    problem: str = ""

    @classmethod
    def of(cls, caches: Sequence[Any], codec: Codec) -> "Layout":
        """From the layer caches of a sequence that has run a few tokens."""
        parts = elementary(caches)
        strange = {type(p).__name__ for p in parts if type(p) not in (Slab, ArraysCache)}
        slabs = [p for p in parts if type(p) is Slab]
        strange |= {"an empty layer cache" for slab in slabs if slab.keys is None}
        if strange:
            return cls((), (), 0, False, codec, f"its layers keep {', '.join(sorted(strange))}")
        return cls(
            tuple(_shape(slab) for slab in slabs if slab.window is None),
            tuple(_shape(slab) for slab in slabs if slab.window is not None),
            max((slab.window for slab in slabs if slab.window is not None), default=0),
            len(slabs) < len(parts),
            codec,
        )

    @property
    def positional(self) -> bool:
        """A prefix ends only where something was kept on purpose, not at any token."""
        return self.has_state or bool(self.windows)

    def nbytes(self, part: Part, tokens: int) -> int:
        """Of one stored block of so many tokens."""
        return sum(self.codec.nbytes(*shape.of(tokens)) for shape in self._shapes(part))

    def extract(self, caches: Sequence[Any], part: Part, start: int, end: int) -> list[Buffer]:
        """Tokens [start, end) of the part in rows of BLOCK tokens, the last perhaps shorter; a row is one buffer.

        `start` is a multiple of BLOCK. Waits for what the caches hold.
        """
        whole = (end - start) // BLOCK
        rows = self._rows(caches, part, start, whole, BLOCK) if whole else []
        rest = end - start - whole * BLOCK
        return rows + (self._rows(caches, part, end - rest, 1, rest) if rest else [])

    def insert(self, caches: Sequence[Any], part: Part, start: int, end: int, rows: Sequence[Buffer]) -> None:
        """Append what `extract` gave for tokens [start, end) to the part's slabs; those that are empty begin there.

        Waits until it is there.
        """
        whole = (end - start) // BLOCK
        groups = ((start, rows[:whole], BLOCK), (start + whole * BLOCK, rows[whole:], (end - start) % BLOCK))
        for at, group, tokens in groups:
            if group and self._shapes(part):
                self._insert(self._slabs(caches, part), self._shapes(part), at, group, tokens)

    def _insert(
        self, slabs: list[Slab], shapes: tuple[LayerShape, ...], start: int, rows: Sequence[Buffer], tokens: int
    ) -> None:
        coded = mx.array(np.stack([np.frombuffer(row, np.uint8) for row in rows]))
        begin = 0
        for shape, slab in zip(shapes, slabs, strict=True):
            end = begin + self.codec.nbytes(*shape.of(tokens))
            keys, values = self.codec.decode(coded[:, begin:end], *shape.of(tokens))
            slab.place(_joined(keys), _joined(values), start)
            begin = end
        mx.eval([slab.state for slab in slabs])

    def window_from(self, caches: Sequence[Any]) -> int:
        """The first position that all window slabs still hold; beyond every position if one is empty."""
        slabs = self._slabs(caches, "window")
        return max((sys.maxsize if slab.keys is None else slab.first for slab in slabs), default=0)

    def truncate(self, caches: Sequence[Any], position: int, windows: bool) -> None:
        """Cut slabs back; windows must hold what they need there, or, without `windows`, they are emptied."""
        for slab in _all_slabs(caches):
            if windows or slab.window is None:
                slab.truncate(position)
            else:
                slab.clear()

    def copy(self, old: Sequence[Any], new: Sequence[Any], position: int, windows: bool) -> None:
        """Fill empty slabs with the first `position` tokens of others, window slabs only if asked; done on return."""
        targets = []
        for source, target in zip(_all_slabs(old), _all_slabs(new), strict=True):
            if windows or source.window is None:
                target.copy_of(source, position)
                targets += target.state
        mx.eval(targets)

    def without_state(self, caches: Sequence[Any]) -> None:
        """Let go of recurrent state, which snapshots hold."""
        for cache in elementary(caches):
            if type(cache) is ArraysCache:
                cache.cache = [None] * len(cache.cache)

    def held_bytes(self, caches: Sequence[Any]) -> int:
        """What the slabs take, with the room they have."""
        return sum(slab.nbytes for slab in _all_slabs(caches))

    def _shapes(self, part: Part) -> tuple[LayerShape, ...]:
        return self.full if part == "full" else self.windows

    def _slabs(self, caches: Sequence[Any], part: Part) -> list[Slab]:
        return [slab for slab in _all_slabs(caches) if (slab.window is not None) == (part == "window")]

    def _rows(self, caches: Sequence[Any], part: Part, start: int, blocks: int, tokens: int) -> list[Buffer]:
        coded = []
        for slab in self._slabs(caches, part):
            keys, values = slab.held(start, start + blocks * tokens)
            coded.append(self.codec.encode(_cut(keys, blocks), _cut(values, blocks)))
        if not coded:
            return [b""] * blocks
        together = mx.contiguous(mx.concatenate(coded, axis=1))
        mx.eval(together)
        return list(np.array(together, copy=False))


def _cut(array: mx.array, blocks: int) -> mx.array:
    """[1, H, blocks * n, D] as [blocks, H, n, D]."""
    _, heads, tokens, depth = array.shape
    return array.reshape(heads, blocks, tokens // blocks, depth).transpose(1, 0, 2, 3)


def _joined(array: mx.array) -> mx.array:
    """The inverse of `_cut`."""
    blocks, heads, tokens, depth = array.shape
    return array.transpose(1, 0, 2, 3).reshape(1, heads, blocks * tokens, depth)


def _all_slabs(caches: Sequence[Any]) -> list[Slab]:
    return [cache for cache in elementary(caches) if type(cache) is Slab]


def _shape(slab: Slab) -> LayerShape:
    assert slab.keys is not None
    assert slab.values is not None
    return LayerShape(slab.keys.shape[1], slab.keys.shape[3], slab.values.shape[3], slab.keys.dtype)
