"""Cuts output into plain text and markers, incrementally: the same lexemes for any split of the input."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from vivace.chat.dialects.base import Piece

_NAME_LIMIT = 128  # characters of a name inside a tag; anything longer is text


class Lexeme(NamedTuple):
    """`kind` is a key of the marker table, "text", or "spelled": the letters of a marker that counts only as a token.

    `name` is what stands inside a named tag; `token`: the text was one token.
    """

    kind: str
    text: str
    name: str = ""
    token: bool = False


@dataclass(frozen=True)
class Tag:
    """A marker with a name inside, such as `<function=NAME>`."""

    prefix: str
    suffix: str


class Lexer:
    """`markers` maps a kind to its literal text or its `Tag`; those in `tokens` count only as marker pieces.

    At most one unfinished marker is held back between two calls.
    """

    def __init__(self, markers: Mapping[str, str | Tag], tokens: frozenset[str] = frozenset()) -> None:
        self._token_kinds = {m: kind for kind, m in markers.items() if isinstance(m, str) and m in tokens}
        counting = {kind: m for kind, m in markers.items() if kind not in self._token_kinds.values()}
        patterns = [f"(?P<{kind}>{_whole(m)})" for kind, m in counting.items()]
        patterns += [f"(?P<spelled>{'|'.join(map(re.escape, self._token_kinds))})"] if self._token_kinds else []
        self._whole = re.compile("|".join(patterns) or r"(?!)")
        self._partial = re.compile("|".join(map(_partial, markers.values())) or r"(?!)")
        self._named = {kind: m for kind, m in counting.items() if isinstance(m, Tag)}
        self._reach = max(map(_length, markers.values()), default=0)
        self.partial = ""

    def feed(self, piece: Piece) -> list[Lexeme]:
        """All lexemes that are certain now; adjacent plain text may come in any number of lexemes."""
        if piece.marker:
            return [*self.finish(), Lexeme(self._token_kinds.get(piece.text, "text"), piece.text, token=True)]
        buffer = self.partial + piece.text
        lexemes: list[Lexeme] = []
        at = 0
        for match in self._whole.finditer(buffer):
            if match.start() > at:
                lexemes.append(Lexeme("text", buffer[at : match.start()]))
            lexemes.append(self._marker(match))
            at = match.end()
        held = self._partial_start(buffer, at)
        if held > at:
            lexemes.append(Lexeme("text", buffer[at:held]))
        self.partial = buffer[held:]
        return lexemes

    def finish(self) -> list[Lexeme]:
        """An unfinished marker is text."""
        text, self.partial = self.partial, ""
        return [Lexeme("text", text)] if text else []

    def _marker(self, match: re.Match[str]) -> Lexeme:
        kind = match.lastgroup or ""
        tag = self._named.get(kind)
        if tag is None:
            return Lexeme(kind, match.group())
        return Lexeme(kind, match.group(), match.group()[len(tag.prefix) : -len(tag.suffix)])

    def _partial_start(self, buffer: str, at: int) -> int:
        found = self._partial.search(buffer, max(at, len(buffer) - self._reach))
        return found.start() if found else len(buffer)


def _whole(marker: str | Tag) -> str:
    if isinstance(marker, str):
        return re.escape(marker)
    return f"{re.escape(marker.prefix)}{_name(marker)}{{1,{_NAME_LIMIT}}}?{re.escape(marker.suffix)}"


def _name(tag: Tag) -> str:
    return "[^\\n<" + re.escape(tag.suffix[0]) + "]"


def _partial(marker: str | Tag) -> str:
    """A pattern for every proper beginning of `marker` at the end of the input."""
    if isinstance(marker, str):
        return _nested(marker[:-1]) + r"\Z"
    name = f"{_name(marker)}{{0,{_NAME_LIMIT}}}"
    tail = f"(?:{_nested(marker.suffix[:-1])})?" if len(marker.suffix) > 1 else ""
    return f"(?:{_nested(marker.prefix[:-1])}|{re.escape(marker.prefix)}{name}{tail})" + r"\Z"


def _nested(text: str) -> str:
    """Any non-empty beginning of `text`: abc → a(?:b(?:c)?)?"""
    if not text:
        return r"(?!)"
    pattern = ""
    for char in reversed(text[1:]):
        pattern = f"(?:{re.escape(char)}{pattern})?"
    return re.escape(text[0]) + pattern


def _length(marker: str | Tag) -> int:
    return len(marker) if isinstance(marker, str) else len(marker.prefix) + _NAME_LIMIT + len(marker.suffix)
