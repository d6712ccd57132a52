"""Whether a grammar lets a model write a JSON value.

llguidance fixes the order of keys (that of `properties`), and spells whole numbers without a fraction where they are
integers. An instance therefore passes if any spelling of it does: keys in any order, numbers in any usual notation.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llguidance import LLMatcher, LLTokenizer

RESTARTS = 100  # with another order of keys
PIECES = 20_000  # of text tried in all of them
ATTEMPTS = 500  # pieces of text that are then tried in any order


@dataclass(frozen=True)
class _Members:
    """What is still to be written of the object `whole`."""

    whole: dict[str, Any]
    left: dict[str, Any]


class _Text(str):
    """What is written as it stands."""


_Pending = tuple[Any, Any] | None  # a linked list: what comes next, and the rest


def can_write(value: Any, matcher: LLMatcher, byte: LLTokenizer, schema: Any) -> bool:
    """`matcher`: at the beginning; it is used up. `byte`: a tokenizer with one token for each byte."""
    ranks = _ranks(schema, {})
    as_given, as_declared = _Writer(matcher, byte, {}), _Writer(matcher, byte, ranks)
    return as_given.finds_order(value) or as_declared.finds_order(value) or as_declared.fits((value, None))


def _ranks(schema: Any, ranks: dict[str, int]) -> dict[str, int]:
    """Names of properties, numbered as they appear."""
    if isinstance(schema, dict):
        for word, value in schema.items():
            if word in ("properties", "required") and isinstance(value, dict | list):
                for name in value:
                    if isinstance(name, str):
                        ranks.setdefault(name, len(ranks))
            _ranks(value, ranks)
    elif isinstance(schema, list):
        for each in schema:
            _ranks(each, ranks)
    return ranks


class _Writer:
    def __init__(self, matcher: LLMatcher, byte: LLTokenizer, ranks: dict[str, int]) -> None:
        self._matcher, self._byte, self._ranks = matcher, byte, ranks
        self._orders: dict[int, list[str]] = {}  # by the object's identity
        self._pieces, self._attempts = 0, ATTEMPTS

    def finds_order(self, value: Any) -> bool:
        """Writes without looking back. Keys that come too late somewhere come first there in the next round."""
        for _ in range(RESTARTS):
            stuck = self._writes((value, None))
            if stuck is None and self._matcher.is_accepting():
                return True
            self._matcher.reset()
            if self._pieces > PIECES or not (isinstance(stuck, _Members) and self._hurries(stuck)):
                break
        return False

    def _hurries(self, stuck: _Members) -> bool:
        """Puts what is left of the object first; False if it was already."""
        before = self._order(stuck.whole)
        order = [*stuck.left, *(name for name in before if name not in stuck.left)]
        self._orders[id(stuck.whole)] = order
        return bool(stuck.left) and order != before

    def _writes(self, pending: _Pending) -> Any:
        """What could not be written, or None."""
        while pending is not None:
            head, rest = pending
            for text, follow in self._ways(head, rest):
                if self._write(text):
                    pending = follow
                    break
            else:
                return head
        return None

    def fits(self, pending: _Pending) -> bool:
        """Tries all orders, as far as the attempts go."""
        if pending is None:
            return bool(self._matcher.is_accepting())
        for text, follow in self._ways(*pending):
            self._attempts -= 1
            if self._attempts > 0 and self._write(text):
                if self.fits(follow):
                    return True
                self._matcher.rollback(len(self._byte.tokenize_bytes(text.encode("utf-8", "surrogatepass"))))
        return False

    def _write(self, text: str) -> bool:
        """All of it, or nothing."""
        self._pieces += 1
        ids = self._byte.tokenize_bytes(text.encode("utf-8", "surrogatepass"))
        taken: int = self._matcher.try_consume_tokens(ids)
        if taken < len(ids):
            self._matcher.rollback(taken)
        return taken == len(ids)

    def _ways(self, value: Any, rest: _Pending) -> Iterator[tuple[str, _Pending]]:
        if isinstance(value, _Text):
            yield value, rest
        elif isinstance(value, _Members):
            yield from self._members(value, rest)
        elif isinstance(value, dict):
            yield "{", (_Members(value, value), rest)
        elif isinstance(value, list):
            yield from _array(value, rest)
        else:
            yield from ((text, rest) for text in dict.fromkeys(_spellings(value)))

    def _members(self, members: _Members, rest: _Pending) -> Iterator[tuple[str, _Pending]]:
        if not members.left:
            yield "}", rest
        for name in self._order(members.whole):
            if name in members.left:
                others = {each: value for each, value in members.left.items() if each != name}
                comma = "" if len(members.left) == len(members.whole) else ","
                text = f"{comma}{json.dumps(name, ensure_ascii=False)}:"
                yield text, (members.left[name], (_Members(members.whole, others), rest))

    def _order(self, whole: dict[str, Any]) -> list[str]:
        if id(whole) not in self._orders:
            self._orders[id(whole)] = sorted(whole, key=lambda name: self._ranks.get(name, len(self._ranks)))
        return self._orders[id(whole)]


def _array(value: list[Any], rest: _Pending) -> Iterator[tuple[str, _Pending]]:
    pending: _Pending = (_Text("]"), rest)
    for index in range(len(value) - 1, -1, -1):
        pending = (value[index], pending)
        if index:
            pending = (_Text(","), pending)
    yield "[", pending


def _spellings(value: Any) -> Iterator[str]:
    yield json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        yield json.dumps(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from (text for text in (f"{value:.0f}", f"{value:.1f}", f"{value:f}") if json.loads(text) == value)
