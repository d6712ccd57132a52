"""Many sequences in one decode forward without padding.

Every sequence is one row `[B, 1]`. Attention layers see a `RaggedKV`: rope gets the rows' positions as a vector, and
each row attends to its own slab, so joining and leaving cost O(1) and no mask array exists. Recurrent layers see one
dense `ArraysCache` `[B, ...]`, regathered only when the membership changes.
"""

from collections.abc import Iterator
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import ArraysCache, CacheList

from vivace.engine.cache.slab import Slab


class UnbatchableError(Exception):
    """This kind of layer cache cannot be shared by the rows of one forward: run its sequences one by one."""


class Positions:
    """The next position of every row `[B]` int32, shared by all layers of a batch."""

    def __init__(self) -> None:
        self.vector = mx.array([0])

    def set(self, offsets: list[int]) -> None:
        self.vector = mx.array(offsets, dtype=mx.int32)


@dataclass(frozen=True)
class RaggedRows:
    """What a `RaggedKV` hands to attention in place of the keys: of every row the arrays of its slab
    `[1, H, capacity, D]`, and from where to where its query may look."""

    keys: list[mx.array]
    values: list[mx.array]
    starts: list[int]
    ends: list[int]

    def rows(self) -> Iterator[tuple[mx.array, mx.array]]:
        """Keys and values `[1, H, length, D]` row by row."""
        for keys, values, start, end in zip(self.keys, self.values, self.starts, self.ends, strict=True):
            yield keys[..., start:end, :], values[..., start:end, :]


class RaggedKV:
    """One attention layer of a batch: a view over the slabs of its rows."""

    def __init__(self, slabs: list[Slab], positions: Positions) -> None:
        self.slabs = slabs
        self._positions = positions

    @property
    def offset(self) -> mx.array:
        return self._positions.vector

    def make_mask(self, n: int, return_array: bool = False, window_size: int | None = None) -> None:
        """None: each row sees exactly its own slab.

        Raises:
            UnbatchableError: the model wants a mask that one row's slab alone does not imply.
        """
        window = self.slabs[0].window
        if n != 1 or return_array or (window_size is not None and window != window_size):
            raise UnbatchableError("attention with a mask of its own")

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[RaggedRows, None]:
        """Append one token per row, `[B, H, 1, D]`."""
        starts = [slab.append(keys[i : i + 1], values[i : i + 1]) for i, slab in enumerate(self.slabs)]
        held = [slab.state for slab in self.slabs]
        ends = [slab.length for slab in self.slabs]
        return RaggedRows([keys for keys, _ in held], [values for _, values in held], starts, ends), None


LayerCache = Any  # Slab, ArraysCache, CacheList of these, or another cache of mlx-lm's (then UnbatchableError)


class BatchCaches:
    """The layer caches of a decode batch. `change` alters the membership, `advance` the positions."""

    def __init__(self) -> None:
        self.layers: list[LayerCache] = []
        self._positions = Positions()

    def change(self, kept: list[int], joining: Seq[list[LayerCache]], members: Seq[list[LayerCache]]) -> None:
        """Keep the rows `kept` of the present batch, in that order, and append the rows `joining`.

        `members` are the layer caches of all rows of the new batch; their slabs stay where they are, their recurrent
        state is taken over by the batch when they join.

        Raises:
            UnbatchableError: a layer's cache is of a kind that rows cannot share.
        """
        old = self.layers
        self.layers = [
            self._layer(
                [caches[i] for caches in members], [caches[i] for caches in joining], old[i] if kept else None, kept
            )
            for i in range(len(members[0]))
        ]

    def give_back(self, at: int, caches: list[LayerCache]) -> None:
        """Write the state of row `at`, which the batch has taken over, into the row's own layer caches."""
        for layer, own in zip(self.layers, caches, strict=True):
            _give_back(layer, own, at)

    def advance(self, offsets: list[int]) -> None:
        """Set the rows' positions for the next forward."""
        if len(offsets) > 1:
            self._positions.set(offsets)

    def _layer(
        self, members: list[LayerCache], joining: list[LayerCache], old: LayerCache | None, kept: list[int]
    ) -> LayerCache:
        first = members[0]
        if isinstance(first, Slab):
            return first if len(members) == 1 else RaggedKV(members, self._positions)
        if isinstance(first, ArraysCache):
            return _regather(old, kept, joining)
        if isinstance(first, CacheList):
            parts = [
                self._layer([m[i] for m in members], [j[i] for j in joining], old[i] if old is not None else None, kept)
                for i in range(len(first.caches))
            ]
            return CacheList(*parts)
        raise UnbatchableError(type(first).__name__)


def _give_back(layer: LayerCache, own: LayerCache, at: int) -> None:
    if isinstance(own, CacheList):
        for part, own_part in zip(layer.caches, own.caches, strict=True):
            _give_back(part, own_part, at)
    elif isinstance(own, ArraysCache):
        own.cache = [None if array is None else array[at : at + 1] for array in layer.cache]


def _regather(old: ArraysCache | None, kept: list[int], joining: list[ArraysCache]) -> ArraysCache:
    """Rows `kept` of `old`, then `joining`: dense `[B, ...]` arrays, a row without state as zeros."""
    batch = ArraysCache(len((old or joining[0]).cache))
    if old is not None:
        batch.cache = [None if array is None else array[mx.array(kept)] for array in old.cache]
    elif joining:
        batch.cache, joining = list(joining[0].cache), joining[1:]
    for row in joining:
        batch.extend(row)
    return batch
