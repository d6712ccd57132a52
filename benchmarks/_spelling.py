"""Whether a grammar lets a model write a JSON value.

llguidance fixes the order of keys (that of `properties`), and spells whole numbers without a fraction where they are
integers. An instance therefore passes if any spelling of it does: keys in any order, numbers in any usual notation.
"""

import json
from collections.abc import Iterator
from typing import Any

from llguidance import LLMatcher, LLTokenizer

ATTEMPTS = 4_000  # pieces of text tried for one instance; what has no right order has very many wrong ones


class _Members:
    """The rest of an object: names that are still to be written."""

    def __init__(self, value: dict[str, Any], first: bool) -> None:
        self.value, self.first = value, first


class _Text(str):
    """What is written as it stands."""


_Pending = tuple[Any, Any] | None  # a linked list: what comes next, and the rest


def can_write(value: Any, matcher: LLMatcher, byte: LLTokenizer, schema: Any) -> bool:
    """`matcher`: at the beginning; it is used up. `byte`: a tokenizer with one token for each byte."""
    return _Writer(matcher, byte, _ranks(schema, {})).fits((value, None))


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
        self._attempts = ATTEMPTS

    def fits(self, pending: _Pending) -> bool:
        if pending is None:
            return bool(self._matcher.is_accepting())
        head, rest = pending
        return any(self._step(text, follow) for text, follow in self._ways(head, rest))

    def _step(self, text: str, follow: _Pending) -> bool:
        """Writes `text` and goes on; takes it back if that leads nowhere."""
        if self._attempts <= 0:
            return False
        self._attempts -= 1
        ids = self._byte.tokenize_bytes(text.encode("utf-8", "surrogatepass"))
        taken = self._matcher.try_consume_tokens(ids)
        if taken == len(ids) and self.fits(follow):
            return True
        self._matcher.rollback(taken)
        return False

    def _ways(self, value: Any, rest: _Pending) -> Iterator[tuple[str, _Pending]]:
        if isinstance(value, _Text):
            yield value, rest
        elif isinstance(value, _Members):
            yield from self._members(value, rest)
        elif isinstance(value, dict):
            yield "{", (_Members(value, first=True), rest)
        elif isinstance(value, list):
            yield from _array(value, rest)
        else:
            yield from ((text, rest) for text in dict.fromkeys(_spellings(value)))

    def _members(self, members: _Members, rest: _Pending) -> Iterator[tuple[str, _Pending]]:
        if not members.value:
            yield "}", rest
        for name in sorted(members.value, key=lambda name: self._ranks.get(name, len(self._ranks))):
            others = {each: value for each, value in members.value.items() if each != name}
            text = ("" if members.first else ",") + json.dumps(name, ensure_ascii=False) + ":"
            yield text, (members.value[name], (_Members(others, first=False), rest))


def _array(value: list[Any], rest: _Pending) -> Iterator[tuple[str, _Pending]]:
    pending: _Pending = (_Text("]"), rest)
    for index in range(len(value) - 1, -1, -1):
        pending = (value[index], pending)
        if index:
            pending = (_Text(","), pending)
    yield "[", pending


def _spellings(value: Any) -> Iterator[str]:
    yield json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer():
        yield str(int(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield f"{value:.1f}"
        yield f"{value:f}"
    if isinstance(value, str):
        yield json.dumps(value)
