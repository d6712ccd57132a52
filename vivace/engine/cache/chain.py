"""Chain hashes: the name of a run of tokens that depends on every token before it.

Tokens are cut into blocks of BLOCK; the key of a block is blake2b of the key before it and its own ids, framed by their
number, so that a shorter last block never has a full one's key. The first key is that of the salt: everything that
makes stored bytes mean something else (see `fingerprint.py`).
"""

from array import array
from collections.abc import Iterable, Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

BLOCK = 64  # tokens
KEY_BYTES = 16


def root_key(salt: str) -> bytes:
    """The key before the first token."""
    return blake2b(salt.encode(), digest_size=KEY_BYTES).digest()


def child_key(parent: bytes, tokens: bytes) -> bytes:
    """The key behind `tokens`, little-endian int32, that follow those of `parent`."""
    return blake2b(parent + len(tokens).to_bytes(4, "little") + tokens, digest_size=KEY_BYTES).digest()


def block_ends(start: int, end: int) -> Iterator[int]:
    """Ends of the blocks that cover [start, end), `start` being the beginning of one; the last may be shorter."""
    yield from range(start + BLOCK, end + 1, BLOCK)
    if end % BLOCK and start < end:
        yield end


class Chain:
    """Tokens that grow at the end, and their keys, which are computed once and when they are asked for."""

    def __init__(self, root: bytes, tokens: Iterable[int] = ()) -> None:
        self._ids = array("i", tokens)
        self._keys = [root]

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def root(self) -> bytes:
        return self._keys[0]

    def append(self, token: int) -> None:
        self._ids.append(token)

    def ids(self, end: int | None = None) -> NDArray[np.int32]:
        """Tokens [0, end) as they are now: a copy."""
        return np.array(self._ids[:end], dtype=np.int32)

    def packed(self, start: int, end: int) -> bytes:
        """Tokens [start, end), little-endian int32."""
        return self._ids[start:end].tobytes()

    def key(self, blocks: int) -> bytes:
        """The key behind so many full blocks."""
        while len(self._keys) <= blocks:
            start = (len(self._keys) - 1) * BLOCK
            self._keys.append(child_key(self._keys[-1], self.packed(start, start + BLOCK)))
        return self._keys[blocks]

    def key_at(self, position: int) -> bytes:
        """The key behind so many tokens."""
        blocks, rest = divmod(position, BLOCK)
        parent = self.key(blocks)
        return child_key(parent, self.packed(position - rest, position)) if rest else parent

    def keys(self, first: int, last: int) -> Iterator[bytes]:
        """The keys behind first, …, last full blocks."""
        return (self.key(blocks) for blocks in range(first, last + 1))

    def common(self, other: "Chain", limit: int) -> int:
        """How many tokens two chains of one salt begin with in common, `limit` at most."""
        return self.agrees(other, limit) if self.root == other.root else 0

    def agrees(self, other: "Chain", limit: int) -> int:
        """The same of any two chains: what is stored of the one may be of no use for the other."""
        if not limit:
            return 0
        mine = np.frombuffer(self._ids, dtype=np.int32, count=min(limit, len(self)))
        theirs = np.frombuffer(other._ids, dtype=np.int32, count=min(limit, len(other)))
        n = min(len(mine), len(theirs))
        differs = mine[:n] != theirs[:n]
        at = int(differs.argmax()) if n else 0
        return at if n and differs[at] else n

    def token(self, position: int) -> int:
        """One token; -1 behind the last."""
        return self._ids[position] if position < len(self) else -1
