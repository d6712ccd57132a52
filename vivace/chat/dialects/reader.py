"""Reads lexemes as straight-line code, and gives back what was read.

A form is a generator that waits in `yield` where there is no lexeme yet; the end of the output is one more, `END`.
"""

import re
from collections import deque
from collections.abc import Collection, Generator
from typing import TypeVar

from vivace.chat.dialects.base import UNDECIDED_LIMIT
from vivace.chat.dialects.lexer import Lexeme, Marker

T = TypeVar("T")
Reading = Generator[None, None, T]
END = Lexeme("")
NAME_LIMIT = 128  # characters of a tool's name; anything longer is no call
_SPACE = re.compile(r"\s*")


class NotACall(Exception):  # noqa: N818 - a turn of events, no error
    """What has been read since the last call is text."""


class LexemeReader:
    """While it keeps what is taken, that can be given back; what it keeps is bounded."""

    def __init__(self) -> None:
        self._queue: deque[Lexeme] = deque()
        self._taken: list[Lexeme] = []
        self._used = 0  # how many of these belong to calls that were passed over
        self._size = 0
        self._keeps = True

    def put(self, lexeme: Lexeme) -> None:
        """More output, for the form to read."""
        self._queue.append(lexeme)

    def peek(self) -> Reading[Lexeme]:
        """The next lexeme, or the part of a text that has come so far; `END` stays forever."""
        while not self._queue:
            yield
        lexeme = self._queue[0]
        if self._keeps and lexeme is not END:
            room = UNDECIDED_LIMIT - self._size
            if room <= 0:
                raise NotACall
            if lexeme.marker is None and len(lexeme.text) > room:
                self._queue[0] = lexeme._replace(text=lexeme.text[room:])
                self._queue.appendleft(lexeme._replace(text=lexeme.text[:room]))
                return self._queue[0]
        return lexeme

    def take(self, characters: int | None = None) -> Lexeme:
        """Consumes the peeked lexeme, or that many characters of it."""
        lexeme = self._queue.popleft()
        if characters is not None and characters < len(lexeme.text):
            self._queue.appendleft(Lexeme(lexeme.text[characters:]))
            lexeme = lexeme._replace(text=lexeme.text[:characters])
        if self._keeps:
            self._taken.append(lexeme)
            self._size += len(lexeme.text)
        return lexeme

    def space(self) -> Reading[str]:
        """Consumes white space."""
        parts: list[str] = []
        while True:
            lexeme = yield from self.peek()
            if lexeme.marker is not None or lexeme is END:
                break
            length = _SPACE.match(lexeme.text).end()  # type: ignore[union-attr]
            if length:
                parts.append(self.take(length).text)
            if length < len(lexeme.text):
                break
        return "".join(parts)

    def char(self) -> Reading[str]:
        """The next character, not consumed; nothing at a marker and at the end."""
        lexeme = yield from self.peek()
        return "" if lexeme.marker is not None else lexeme.text[:1]

    def marker(self, marker: Marker | None) -> Reading[Lexeme | None]:
        """Consumes `marker`, if it is next."""
        lexeme = yield from self.peek()
        if marker is None or lexeme.marker != marker:
            return None
        return self.take()

    def literal(self, text: str) -> Reading[bool]:
        """Consumes exactly this text, if it is next; a text that stops short at the end is not it."""
        if not text:
            return True
        lexeme = yield from self.peek()
        while lexeme is not END and len(lexeme.text) < len(text):
            if lexeme.token or not text.startswith(lexeme.text) or not (yield from self._join()):
                return False
            lexeme = self._queue[0]
        whole = lexeme.text == text and not lexeme.token
        if not whole and (lexeme.marker is not None or not lexeme.text.startswith(text)):
            return False
        self.take(len(text))
        return True

    def _join(self) -> Reading[bool]:
        """Joins the next two texts; a marker of another way of writing may be part of them. False at the end."""
        while len(self._queue) < 2:
            yield
        first, second = self._queue.popleft(), self._queue[0]
        if second.token or second is END:
            self._queue.appendleft(first)
            return False
        self._queue[0] = Lexeme(first.text + second.text)
        return True

    def until(
        self, stops: re.Pattern[str], limit: int = NAME_LIMIT, among: Collection[str] | None = None
    ) -> Reading[str]:
        """Consumes text up to one of `stops` (one character each), a marker or the end.

        Raises:
            NotACall: it is longer than `limit`, or cannot become one of `among`.
        """
        parts: list[str] = []
        size = 0
        while True:
            lexeme = yield from self.peek()
            if lexeme.marker is not None or lexeme is END:
                return "".join(parts)
            found = stops.search(lexeme.text)
            length = found.start() if found else len(lexeme.text)
            size += length
            if size > limit or (among is not None and not _may_become("".join(parts) + lexeme.text[:length], among)):
                raise NotACall
            if length:
                parts.append(self.take(length).text)
            if found:
                return "".join(parts)

    def rewind(self, lexemes: Collection[Lexeme] | None = None) -> None:
        """Gives back what was read since the last call, or these lexemes, which were read last."""
        at = self._used if lexemes is None else len(self._taken) - len(lexemes)
        if lexemes is None or self._keeps:
            lexemes, self._taken = self._taken[at:], self._taken[:at]
            self._size = sum(len(lexeme.text) for lexeme in self._taken)
        self._queue.extendleft(reversed(list(lexemes)))

    def unread(self, text: str) -> None:
        """Gives back plain text that was read last, white space behind it aside."""
        while text and self._taken:
            lexeme = self._taken.pop()
            self._size -= len(lexeme.text)
            self._queue.appendleft(lexeme)
            text = text[: len(text) - len(lexeme.text.strip())]

    def rest(self) -> list[Lexeme]:
        """What was not consumed; nothing can be read afterwards."""
        rest = [lexeme for lexeme in self._queue if lexeme is not END]
        self._queue.clear()
        return rest


def _may_become(beginning: str, texts: Collection[str]) -> bool:
    """One of `texts`, or one with something behind it."""
    return any(text.startswith(beginning) or beginning.startswith(text) for text in texts)
