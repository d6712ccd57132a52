"""Cuts output into plain text and markers, incrementally: the same lexemes for any split of the input."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from vivace.chat.dialects.base import Piece

_NAME_LIMIT = 128  # characters of a name inside a tag; anything longer is text


class Tag(NamedTuple):
    """A marker with a name inside, such as `<function=NAME>`; all `suffixes` begin with the same character."""

    prefix: str
    suffixes: tuple[str, ...]


Marker = str | Tag


def tag(prefix: str, *suffixes: str) -> Tag:
    return Tag(prefix, suffixes)


class Lexeme(NamedTuple):
    """`marker` is None for plain text; `name` is what stands inside a tag; `token`: the text was one token.

    `spelled`: plain letters of a marker that counts only as a token.
    """

    text: str
    marker: Marker | None = None
    name: str = ""
    token: bool = False
    spelled: bool = False


class Lexer:
    """Markers in `tokens` count only as marker pieces; those that hold one of `parts` count only with that part as one,
    if it is in `tokens`. At most one unfinished marker is held back between two calls."""

    def __init__(
        self, markers: Iterable[Marker], tokens: frozenset[str] = frozenset(), parts: Iterable[str] = ()
    ) -> None:
        markers = sorted(set(markers), key=_length, reverse=True)
        self._tokens = {m for m in markers if isinstance(m, str) and m in tokens}
        self._parts = (tokens & set(parts)) - self._tokens
        self._parts_at: set[int] = set()  # where in `partial` such a part begins
        self._groups, self._whole, self._partial = _patterns(tuple(markers), frozenset(self._tokens))
        self._reach = max(map(_length, markers), default=0)
        self._extensible = _extensible(tuple(markers))
        self.partial = ""

    def feed(self, piece: Piece) -> list[Lexeme]:
        """All lexemes that are certain now; adjacent plain text may come in any number of lexemes."""
        if piece.marker and piece.text in self._parts:
            self._parts_at.add(len(self.partial))
        elif piece.marker:
            return [*self.finish(), self._token(piece.text)]
        return self._cut(self.partial + piece.text, final=False)

    def finish(self) -> list[Lexeme]:
        """What was held back: an unfinished marker is text."""
        return self._cut(self.partial, final=True) if self.partial else []

    def pieces(self, lexeme: Lexeme) -> list[Piece]:
        """What `lexeme` was made of, for another lexer."""
        if lexeme.token or lexeme.marker is None or not self._parts:
            return [Piece(lexeme.text, lexeme.token)]
        cut = re.split(f"({'|'.join(map(re.escape, self._parts))})", lexeme.text)
        return [Piece(text, text in self._parts) for text in cut if text]

    def _token(self, text: str) -> Lexeme:
        return Lexeme(text, text if text in self._tokens else None, token=True)

    def _cut(self, buffer: str, final: bool) -> list[Lexeme]:
        lexemes: list[Lexeme] = []
        at = 0
        for match in self._whole.finditer(buffer):
            if not final and match.group() in self._extensible and self._partial.match(buffer, match.start()):
                break
            if match.start() > at:
                lexemes.append(Lexeme(buffer[at : match.start()]))
            lexemes.append(self._lexeme(match))
            at = match.end()
        held = len(buffer) if final else self._partial_start(buffer, at)
        if held > at:
            lexemes.append(Lexeme(buffer[at:held]))
        self.partial = buffer[held:]
        self._parts_at = {at - held for at in self._parts_at if at >= held}
        return lexemes

    def _lexeme(self, match: re.Match[str]) -> Lexeme:
        text, group = match.group(), (match.lastindex or 0) - 1
        marker = self._groups[group]
        if marker is None or (self._parts and not self._parts_are_tokens(match)):
            return Lexeme(text, spelled=True)
        if isinstance(marker, str):
            return Lexeme(text, marker)
        end = text.index(marker.suffixes[0][0], len(marker.prefix))
        return Lexeme(text, marker, text[len(marker.prefix) : end])

    def _parts_are_tokens(self, match: re.Match[str]) -> bool:
        """Whether all of a marker that is a token in this vocabulary was one."""
        found = (at for part in self._parts for at in _positions(part, match.group()))
        return all(match.start() + at in self._parts_at for at in found)

    def _partial_start(self, buffer: str, at: int) -> int:
        found = self._partial.search(buffer, max(at, len(buffer) - self._reach))
        return found.start() if found else len(buffer)


@lru_cache(maxsize=512)
def _patterns(
    markers: tuple[Marker, ...], tokens: frozenset[Marker]
) -> tuple[tuple[Marker | None, ...], re.Pattern[str], re.Pattern[str]]:
    """What each group of the first pattern means (None: a spelled token), that pattern, for whole markers, and one for
    their beginnings at the end of the input. Both are told by first characters, so that other text is skipped fast."""
    groups: list[Marker | None] = []
    wholes: list[str] = []
    partials: list[str] = []
    for first in dict.fromkeys(map(_first, markers)):
        same = sorted((m for m in markers if _first(m) == first), key=lambda m: m in tokens)
        groups += [None if m in tokens else m for m in same]
        wholes.append(f"{re.escape(first)}(?:{'|'.join(f'({_whole(m)})' for m in same)})")
        partials.append(f"{re.escape(first)}(?:{'|'.join(map(_partial, same))})")
    return tuple(groups), re.compile("|".join(wholes) or r"(?!)"), re.compile("|".join(partials) or r"(?!)")


@lru_cache(maxsize=512)
def _extensible(markers: tuple[Marker, ...]) -> frozenset[Marker]:
    """Markers that begin another one."""
    return frozenset(m for m in markers for other in markers if isinstance(m, str) and _extends(other, m))


def _first(marker: Marker) -> str:
    return (marker if isinstance(marker, str) else marker.prefix)[0]


def _whole(marker: Marker) -> str:
    """A pattern for all of `marker` behind its first character."""
    if isinstance(marker, str):
        return re.escape(marker[1:])
    suffixes = "|".join(map(re.escape, marker.suffixes))
    return f"{re.escape(marker.prefix[1:])}{_name(marker)}{{1,{_NAME_LIMIT}}}(?:{suffixes})"


def _name(marker: Tag) -> str:
    return "[^\\n<" + re.escape(marker.suffixes[0][0]) + "]"


def _partial(marker: Marker) -> str:
    """A pattern for every proper beginning of `marker` at the end of the input, behind its first character."""
    if isinstance(marker, str):
        return _nested(marker[1:-1]) + r"\Z" if len(marker) > 1 else r"(?!)"
    name = f"{_name(marker)}{{0,{_NAME_LIMIT}}}"
    tails = "|".join(_nested(suffix[:-1]) for suffix in marker.suffixes if len(suffix) > 1)
    tail = f"(?:{tails})?" if tails else ""
    return f"(?:(?:{re.escape(marker.prefix[1:])}{name}{tail}|{_nested(marker.prefix[1:-1])})" + r"\Z)"


def _nested(text: str) -> str:
    """Any beginning of `text`: abc → (?:a(?:b(?:c)?)?)?"""
    pattern = ""
    for char in reversed(text):
        pattern = f"(?:{re.escape(char)}{pattern})?"
    return pattern


def _positions(part: str, text: str) -> list[int]:
    return [found.start() for found in re.finditer(re.escape(part), text)]


def _length(marker: Marker) -> int:
    if isinstance(marker, str):
        return len(marker)
    return len(marker.prefix) + _NAME_LIMIT + max(map(len, marker.suffixes))


def _extends(longer: Marker, shorter: str) -> bool:
    text = longer if isinstance(longer, str) else longer.prefix
    return longer != shorter and text.startswith(shorter)
