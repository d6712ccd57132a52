"""The live KV of one sequence and layer: contiguous, without padding against other sequences.

A slab answers to the verbs that mlx-lm's models use on their caches (`offset`, `make_mask`, `update_and_fetch`), so a
model runs on it unmodified. Capacity grows geometrically in units of 256 tokens; a write is in place as long as nothing
else refers to the arrays.

A slab with a `window` keeps at least the last `window` tokens and a block more, and is compacted when it holds 1,024
beyond: other than a ring buffer it can be rolled back (`offset -= n`) by up to that much.
"""

import mlx.core as mx
from mlx_lm.models.base import create_causal_mask

from vivace.engine.cache.chain import BLOCK

UNIT = 256  # tokens
SLACK = BLOCK + 1024  # tokens that a windowed slab may hold beyond its window


Shape = tuple[int, ...]


def _rounded(tokens: int) -> int:
    return -(-tokens // UNIT) * UNIT


def _causal_mask(n: int, before: int, window: int | None) -> mx.array:
    """Boolean `[n, before + n]`: which keys each of n queries sees."""
    mask: mx.array = create_causal_mask(n, before, window_size=window)
    return mask


class Slab:
    """Keys and values `[1, H, capacity, D]` (or any other trailing layout that the model hands in).

    Attributes:
        offset: position of the next token, which is also the number of tokens seen.
        window: tokens that attention looks back (its own included), or None for all.
        dtype: of what is stored, or None for that of what comes.
    """

    def __init__(self, window: int | None = None, dtype: mx.Dtype | None = None) -> None:
        self.window = window
        self.dtype = dtype
        self.offset = 0
        self.keys: mx.array | None = None
        self.values: mx.array | None = None
        self._dropped = 0  # tokens that compaction has cut off at the front
        self._reserve = 0

    @property
    def first(self) -> int:
        """Position of the first token held."""
        return self._dropped

    @property
    def length(self) -> int:
        """Tokens held."""
        return self.offset - self._dropped

    @property
    def state(self) -> list[mx.array]:
        """The arrays to evaluate."""
        return [] if self.keys is None or self.values is None else [self.keys, self.values]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.state)

    def reserve(self, tokens: int) -> None:
        """Announce the length that is sure to come, so that growing there copies nothing."""
        self._reserve = tokens if self.window is None else min(tokens, self.window + SLACK)

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Append `[1, H, n, D]`; the keys and values that these n queries may see."""
        first = self.append(keys, values)
        assert self.keys is not None
        assert self.values is not None
        return self.keys[..., first : self.length, :], self.values[..., first : self.length, :]

    def append(self, keys: mx.array, values: mx.array) -> int:
        """Append `[1, H, n, D]`; the index from which on these n queries may see what is held."""
        n = keys.shape[2]
        held_keys, held_values, begin, first = self.lend(n, keys.shape, values.shape, keys.dtype)
        held_keys[..., begin : begin + n, :] = keys
        held_values[..., begin : begin + n, :] = values
        self.take_back(held_keys, held_values, n)
        return first

    def lend(
        self, n: int, key_shape: Shape, value_shape: Shape, dtype: mx.Dtype
    ) -> tuple[mx.array, mx.array, int, int]:
        """Keys and values with room for n more tokens `[1, H, n, D]`, where to write them, and the first they may see.

        The slab is without them until `take_back`: who alone refers to an array can write it in place.
        """
        self._make_room(n, key_shape, value_shape, self.dtype or dtype)
        keys, values, self.keys, self.values = self.keys, self.values, None, None
        assert keys is not None
        assert values is not None
        end = self.length + n
        return keys, values, self.length, 0 if self.window is None else max(0, end - (self.window - 1 + n))

    def take_back(self, keys: mx.array, values: mx.array, n: int) -> None:
        """The lent arrays, in which n tokens were written."""
        self.keys, self.values = keys, values
        self.offset += n

    def held(self, start: int, end: int) -> tuple[mx.array, mx.array]:
        """Keys and values `[1, H, end - start, D]` of the tokens at positions [start, end), which must be held.

        What comes refers to the slab: evaluate it before more is appended, else that copies all.
        """
        assert self.keys is not None
        assert self.values is not None
        assert self._dropped <= start <= end <= self.offset
        cut = slice(start - self._dropped, end - self._dropped)
        return self.keys[..., cut, :], self.values[..., cut, :]

    def place(self, keys: mx.array, values: mx.array, position: int) -> None:
        """Append `[1, H, n, D]` at `position`, where the slab ends; an empty one begins there."""
        if self.keys is None:
            self.offset = self._dropped = position
        assert self.offset == position
        self.append(keys, values)

    def truncate(self, position: int) -> None:
        """Roll back to `position`; what a window must see there has to be held."""
        assert self._dropped <= position <= self.offset
        self.offset = position

    def copy_of(self, other: "Slab", position: int) -> None:
        """Fill this empty slab with what the other holds up to `position`; evaluate it before the other goes on."""
        keys, values = other.held(other.first, position)
        self.place(keys, values, other.first)

    def clear(self) -> None:
        """Forget everything."""
        self.keys = self.values = None
        self.offset = self._dropped = 0

    def make_mask(self, n: int, return_array: bool = False, window_size: int | None = None) -> mx.array | str | None:
        """The mask of the next n queries against what `update_and_fetch` will return; None when all may see all."""
        visible = self.length + n
        if self.window is not None:
            visible = min(visible, self.window - 1 + n)
        limit = window_size or self.window
        if limit is not None and visible > limit:
            return _causal_mask(n, visible - n, limit)
        if n == 1:
            return None
        return _causal_mask(n, visible - n, None) if return_array else "causal"

    def _make_room(self, n: int, key_shape: Shape, value_shape: Shape, dtype: mx.Dtype) -> None:
        if self.window is not None and self.length > self.window + SLACK:
            self._compact()
        need = self.length + n
        if self.keys is not None and need <= self.keys.shape[2]:
            return
        held = 0 if self.keys is None else self.keys.shape[2]
        capacity = _rounded(max(need, self._reserve, held + held // 2))
        self.keys = self._grown(self.keys, key_shape, capacity, dtype)
        self.values = self._grown(self.values, value_shape, capacity, dtype)

    def _grown(self, old: mx.array | None, shape: Shape, capacity: int, dtype: mx.Dtype) -> mx.array:
        batch, heads, _, depth = shape
        new = mx.zeros((batch, heads, capacity, depth), dtype)
        if old is not None:
            new[..., : self.length, :] = old[..., : self.length, :]
        return new

    def _compact(self) -> None:
        assert self.window is not None
        assert self.keys is not None
        assert self.values is not None
        cut = max(0, self.length - self.window - BLOCK)
        keep = slice(cut, self.length)
        keys, values = self.keys[..., keep, :], self.values[..., keep, :]
        self._dropped += cut
        self.keys, self.values = mx.contiguous(keys), mx.contiguous(values)
