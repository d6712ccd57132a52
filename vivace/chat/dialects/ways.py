"""Ways to write calls, and which of them an opener may begin."""

from collections.abc import Sequence
from typing import Literal, Protocol

from vivace.chat.dialects.lexer import Marker
from vivace.chat.dialects.reader import Reading
from vivace.chat.dialects.scan import Scan

Where = Literal["anywhere", "line", "start"]
_FENCES = ("```",)  # behind a call one may begin code


class Way(Protocol):
    """One way to write calls. A family has one or several; the first that takes the output wins."""

    @property
    def markers(self) -> Sequence[Marker]:
        """All that the lexer must know."""

    @property
    def openers(self) -> Sequence[tuple[Marker, Where]]:
        """Markers that begin a call, and where they count when they are spelled: "anywhere" but in code, at the start
        of a "line" (or of the answer, white space aside), or only at the "start" of the answer or after a call."""

    @property
    def wrappers(self) -> Sequence[Marker]:
        """Those of them that are outermost: what follows one that went by as text is part of a quotation."""

    @property
    def starts(self) -> str:
        """Characters that begin a call at the start of the answer or after a call."""

    @property
    def closers(self) -> Sequence[Marker]:
        """Markers that are no content where they follow a call, or stand unfinished at the end of the output."""

    @property
    def note(self) -> str | None:
        """Why every call of this way counts as repaired: the family does not write it so."""

    def read(self, scan: Scan) -> Reading[None]:
        """Reads from the opener to the end of the last call."""


class WayTable:
    """
    Attributes:
        markers: all of the ways; `closers`: those that end calls.
        by_marker: opener → the ways that it may begin, and where; `by_start`: first character → the same.
        wrappers: see `Way.wrappers`.
        parts: texts that are one token each, and stand in markers that are several.
    """

    def __init__(self, ways: Sequence[Way] = (), parts: Sequence[str] = ()) -> None:
        self.parts = parts
        self.markers = frozenset(m for way in ways for m in way.markers)
        self.closers = frozenset(m for way in ways for m in way.closers if m not in _FENCES)
        self.by_marker: dict[Marker, list[tuple[Way, Where]]] = {}
        self.by_start: dict[str, list[Way]] = {}
        for way in ways:
            for marker, where in way.openers:
                self.by_marker.setdefault(marker, []).append((way, where))
            for char in way.starts:
                self.by_start.setdefault(char, []).append(way)
        self.wrappers = frozenset(m for way in ways for m in way.wrappers)
