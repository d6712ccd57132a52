"""What the machine of a form reads from and writes to.

A form is a generator that reads lexemes as straight-line code and waits in `yield` where there are none yet; the end of
the output is one more lexeme, `END`. Until a call begins, everything read is kept, so that it can be given back as text
(`NotACall`) or to another form; after the arguments of a call are whole, the same holds for what follows it.
"""

import re
from collections import deque
from collections.abc import Callable, Collection, Generator, Mapping
from typing import TypeVar

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import UNDECIDED_LIMIT, new_call_id
from vivace.chat.dialects.coercion import Coercion
from vivace.chat.dialects.lexer import Lexeme, Marker
from vivace.chat.events import Event, TextDelta, ToolCallArguments, ToolCallFinished, ToolCallStarted

T = TypeVar("T")
Reading = Generator[None, None, T]
END = Lexeme("")
NAME_LIMIT = 128  # characters of a tool's name; anything longer is no call
_SPACE = re.compile(r"\s*")


class NotACall(Exception):  # noqa: N818 - a turn of events, no error
    """What has been read since the last call is text."""


class Scan:
    """One region of calls. `tools`: the declared ones; `index`: of the first call; `note`: why all are repaired.

    A call of an undeclared tool is no call. In a list (`listed`) it is passed over, so that declared ones behind it are
    called; its text is content, if there are such.
    """

    def __init__(
        self,
        tools: Mapping[str, Tool],
        emit: Callable[[Event], None],
        index: int,
        new_id: Callable[[], str] = new_call_id,
        note: str | None = None,
    ) -> None:
        self.tools = tools
        self.index = index  # of the call that is open or will come next
        self.open = False  # a call has begun and has not ended
        self.whole = False  # its arguments are complete
        self.cut_off = False  # the output ended at the token limit: what has not begun by now is no call
        self._emit, self._new_id, self._note = emit, new_id, note
        self.has_called = False
        self.listed = False  # other calls may follow in the same region
        self._repaired: str | None = None
        self._passing = False  # the open call is of an undeclared tool
        self._passed = 0  # how much of what was taken belongs to such calls
        self._coercion: Coercion | None = None
        self._queue: deque[Lexeme] = deque()
        self._taken: list[Lexeme] = []
        self._size = 0
        self._keeps = True
        self._spoke = False

    # Reading

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
        at = self._passed if lexemes is None else len(self._taken) - len(lexemes)
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

    def settle(self) -> None:
        """What was read since the last call is used up."""
        if self._passing:
            self._passed = len(self._taken)
        else:
            self._taken, self._size = [], 0

    def rest(self) -> list[Lexeme]:
        """What was not consumed; nothing can be read afterwards."""
        rest = [lexeme for lexeme in self._queue if lexeme is not END]
        self._queue.clear()
        return rest

    # Writing

    def start(self, name: str, call_id: str | None = None) -> Tool:
        """Begins a call; one that is still open ends.

        Raises:
            NotACall: no declared tool has this name.
        """
        if self.cut_off or (name not in self.tools and not (self.listed and name)):
            raise NotACall
        self.end()
        self.whole, self._spoke = False, False
        if name not in self.tools:
            self._passing = True
            return Tool(name, None, {})
        self._say_passed()
        self._taken, self._size, self._keeps = [], 0, False
        self.open = self.has_called = True
        self._emit(ToolCallStarted(self.index, call_id or self._new_id(), name))
        self._coercion = Coercion.of(self.tools[name])
        return self.tools[name]

    def arguments(self, json_delta: str) -> None:
        if self._passing:
            return
        if self._coercion:
            json_delta = self._coercion.feed(json_delta)
        if json_delta:
            self._emit(ToolCallArguments(self.index, json_delta))

    def complete(self) -> None:
        """The arguments are whole: what follows can be given back."""
        self.whole = self._keeps = True
        if self._passing:
            self._passed = len(self._taken)
        if self._coercion:
            self.repair(self._coercion.repaired)
            self._coercion = None

    def end(self) -> None:
        """Ends the call that is open, if there is one."""
        if self.open:
            self._emit(ToolCallFinished(self.index, self._note or self._repaired))
            self.index += 1
        if self.open or self._passing:
            self._repaired = None
        self.open = self._passing = False

    def close(self) -> None:
        """Ends the region.

        Raises:
            NotACall: it held none.
        """
        self.end()
        if not self.has_called:
            raise NotACall
        self._say_passed()

    def give_up(self) -> list[Lexeme]:
        """The region broke off, before the arguments of a call or behind them; what was not part of a call."""
        self._passing = False
        if self.open and not self.whole:
            self.repair("the call had no arguments")
            self.arguments("{}")
            self.complete()
        self.end()
        if self.has_called:
            self._say_passed()
        self._passed = 0
        self.rewind()
        return self.rest()

    def _say_passed(self) -> None:
        """The text of calls that were passed over, with the openers before them."""
        text = "".join(lexeme.text for lexeme in self._taken[: self._passed])
        self._taken, self._passed = self._taken[self._passed :], 0
        if text:
            self._emit(TextDelta(text))

    def repair(self, reason: str | None) -> None:
        """The open call, or the one that comes next, is not written as it should be; the first reason stays.

        What is missing where the token limit fell is nobody's mistake.
        """
        if not self.cut_off:
            self._repaired = self._repaired or reason

    def cut(self) -> None:
        """The token limit fell within the call: its arguments stay open, and nothing is mended."""
        self._emit(ToolCallFinished(self.index))
        self.index += 1
        self.open = False

    def content(self, text: str) -> bool:
        """Prose in the midst of a call; False if it was only white space before any."""
        if self._passing:
            return False
        text = text if self._spoke else text.lstrip()
        if text:
            self._spoke = True
            self._emit(TextDelta(text))
        return bool(text)

    def silence(self) -> None:
        """The prose that may come next is a new one."""
        self._spoke = False


def _may_become(beginning: str, texts: Collection[str]) -> bool:
    """One of `texts`, or one with something behind it."""
    return any(text.startswith(beginning) or beginning.startswith(text) for text in texts)
