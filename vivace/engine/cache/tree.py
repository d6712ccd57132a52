"""The prefix tree: what is in memory and what is known of it, by chain key.

The tree is a dictionary: a chain key names a path, so that looking up a prompt's keys one after the other is walking
down. Edges are kept only for explanations and for blocks shorter than BLOCK.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from vivace.engine.cache.chain import BLOCK, Chain
from vivace.engine.cache.layout import Part

REMEMBERED = 65536  # keys of evicted blocks, for explanations


@dataclass(eq=False, slots=True)
class Node:
    """A block: its own tokens (int32) behind those of `parent`, and what memory holds of it.

    `parts`: "full" and "window" as bytes, "state" as a Snapshot. `rank`: see `ram.py`.
    """

    key: bytes
    parent: bytes
    tokens: bytes
    end: int
    parts: dict[Part, Any] = field(default_factory=dict)
    rank: float = 0.0


class PrefixTree:
    """Blocks that memory holds something of."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, Node] = {}
        self.partials: dict[bytes, set[int]] = {}
        self._children: dict[bytes, set[bytes]] = {}
        self._evicted: OrderedDict[bytes, None] = OrderedDict()

    def has(self, key: bytes, part: Part) -> bool:
        node = self.nodes.get(key)
        return node is not None and part in node.parts

    def knows(self, key: bytes) -> bool:
        return key in self.nodes

    def put(self, chain: Chain, end: int, part: Part, payload: Any) -> Node:
        """Keep a part of the block that ends at `end` of this chain; it begins at the multiple of BLOCK before."""
        start = (end - 1) // BLOCK * BLOCK
        key = chain.key_at(end)
        node = self.nodes.get(key)
        if node is None:
            node = Node(key, chain.key(start // BLOCK), chain.packed(start, end), end)
            self.nodes[key] = node
            self._children.setdefault(node.parent, set()).add(key)
            if end % BLOCK:
                self.partials.setdefault(node.parent, set()).add(end % BLOCK)
        node.parts[part] = payload
        self._evicted.pop(key, None)
        return node

    def drop(self, node: Node, part: Part) -> None:
        """Forget a part; the node goes with its last."""
        node.parts.pop(part, None)
        self.remember([node.key])
        if not node.parts:
            self._remove(node)

    def remember(self, keys: Iterable[bytes]) -> None:
        """These blocks were here in one form or another and had to go."""
        self._evicted.update(dict.fromkeys(keys))
        while len(self._evicted) > REMEMBERED:
            self._evicted.popitem(last=False)

    def evicted(self, key: bytes) -> bool:
        """Whether a part of this block was here and had to go."""
        return key in self._evicted

    def children(self, key: bytes) -> list[Node]:
        return [self.nodes[child] for child in self._children.get(key, ())]

    def clear(self) -> None:
        for kept in (self.nodes, self.partials, self._children, self._evicted):
            kept.clear()

    def _remove(self, node: Node) -> None:
        del self.nodes[node.key]
        siblings = self._children[node.parent]
        siblings.discard(node.key)
        if not siblings:
            del self._children[node.parent]
        rest = node.end % BLOCK
        if rest and not any(self.nodes[key].end % BLOCK == rest for key in siblings):
            lengths = self.partials[node.parent]
            lengths.discard(rest)
            if not lengths:
                del self.partials[node.parent]
