"""The outer machine of every tool dialect: prose and calls apart, whatever form the calls have.

An opener in the prose is a candidate: the forms that it may begin read on, one after the other, until one of them is
certain of a call. What none of them takes is released as text, the opener first; nothing stays undecided for more than
UNDECIDED_LIMIT characters. Spelled openers in code are text.

White space between calls, before the first one if nothing else was said, and after the last one is not content.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import UNDECIDED_LIMIT, Piece, new_call_id
from vivace.chat.dialects.code_context import CodeContext
from vivace.chat.dialects.lexer import Lexeme, Lexer, Marker
from vivace.chat.dialects.scan import END, NotACall, Reading, Scan
from vivace.chat.events import Event, TextDelta

Where = Literal["anywhere", "line", "start"]
_CHUNK = 4096  # longer text is cut, since forms take pieces from its front


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


class CallParser:
    """See `ToolParser`."""

    def __init__(
        self,
        ways: Sequence[Way],
        tools: Sequence[Tool],
        tokens: frozenset[str],
        new_id: Callable[[], str] = new_call_id,
        parts: Sequence[str] = (),
    ) -> None:
        """`parts`: see `FramedDialect`."""
        self._ways = ways if tools else ()
        self._tools = {tool.name: tool for tool in tools}
        self._new_id = new_id
        self._lexer = Lexer({m for way in self._ways for m in way.markers}, tokens, parts)
        self._closers = {m for way in self._ways for m in way.closers}
        self._wrappers = {m for way in self._ways for m in way.wrappers}
        self._context = CodeContext()
        self._todo: deque[Lexeme] = deque()
        self._events: list[Event] = []
        self._scan: Scan | None = None
        self._reading: Reading[None]
        self._untried: Sequence[Way] = ()
        self._index = 0  # calls that have ended
        self._space = ""  # white space that is content only if content follows
        self._quoted = False  # an opener went by as text: what follows it is no call without a wrapper
        self._spoke = False  # content was emitted since the start or the last call

    @property
    def busy(self) -> bool:
        return self._scan is not None

    @property
    def held(self) -> bool:
        """Characters are held back, undecided."""
        return bool(self._space or self._lexer.partial or self.busy)

    @property
    def called(self) -> int:
        return self._scan.index + self._scan.open if self._scan else self._index

    @property
    def at_line_start(self) -> bool:
        return self._context.at_line_start and not self._lexer.partial

    def feed(self, piece: Piece) -> list[Event]:
        self._take_all(self._lexer.feed(piece))
        return self._drain()

    def finish(self, cut: bool = False) -> list[Event]:
        """`cut`: the output ended at the token limit, not by itself."""
        partial = self._lexer.finish()
        is_open = bool(self._scan and self._scan.open)
        if not is_open or not (self._is_closer(partial) or (cut and not self._scan_is_whole)):
            self._take_all(partial)
        while self._scan:
            self._scan.cut_off = cut
            if cut and self._scan.open and not self._scan.whole:
                self._scan.cut()
                self._leave([])
            else:
                self._take_all([END])
        if not self._index or self._spoke:
            self._emit_space()
        self._space = ""
        return self._drain()

    @property
    def _scan_is_whole(self) -> bool:
        return self._scan is not None and self._scan.whole

    def _drain(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _is_closer(self, partial: list[Lexeme]) -> bool:
        """Whether the output was cut within a closer: `</p` and longer."""
        texts = [m for m in self._closers if isinstance(m, str)]
        if not partial or partial[0].marker:
            return False
        return len(partial[0].text) > 2 and any(t.startswith(partial[0].text) for t in texts)

    def _take_all(self, lexemes: Sequence[Lexeme]) -> None:
        self._todo.extend(lexemes)
        while self._todo:
            lexeme = self._todo.popleft()
            if lexeme.marker is None and len(lexeme.text) > _CHUNK:
                self._todo.appendleft(lexeme._replace(text=lexeme.text[_CHUNK:]))
                lexeme = lexeme._replace(text=lexeme.text[:_CHUNK])
            if self._scan:
                self._scan.put(lexeme)
                self._resume(self._scan)
            elif lexeme is not END:
                self._take_outside(lexeme)

    def _take_outside(self, lexeme: Lexeme) -> None:
        quoted = self._quoted
        ways = self._ways_at(lexeme, quoted)
        if ways:
            self._quoted = False
            if lexeme.marker is None:
                lexeme = self._without_space(lexeme)
            self._begin(ways, [lexeme])
        elif lexeme.marker in self._closers and self._index and not self._spoke:
            self._space = ""  # the closer of a wrapper that was never opened
        else:
            self._quoted = lexeme.spelled or lexeme.marker in self._wrappers or (quoted and lexeme.text.isspace())
            self._emit_text(lexeme.text)

    def _ways_at(self, lexeme: Lexeme, quoted: bool) -> list[Way]:
        if lexeme.marker is None:
            char = lexeme.text.lstrip()[:1]
            may = bool(char) and not (self._spoke or lexeme.spelled or lexeme.token)
            return [way for way in self._ways if may and char in way.starts]
        return [
            way
            for way in self._ways
            for marker, where in way.openers
            if marker == lexeme.marker and (lexeme.token or self._counts(where, quoted))
        ]

    def _counts(self, where: Where, quoted: bool) -> bool:
        match where:
            case "anywhere":
                return not self._context.in_code
            case "line":
                at_start = not self._spoke and not self._context.in_code
                return (self._context.at_line_start or at_start) and not quoted
            case "start":
                return not self._spoke

    def _without_space(self, lexeme: Lexeme) -> Lexeme:
        text = lexeme.text.lstrip()
        if len(text) < len(lexeme.text):
            self._emit_text(lexeme.text[: -len(text)])
        return Lexeme(text)

    def _begin(self, ways: Sequence[Way], lexemes: Sequence[Lexeme]) -> None:
        way, *self._untried = ways
        self._scan = Scan(self._tools, self._emit, self._index, self._new_id, way.note)
        self._reading = way.read(self._scan)
        for lexeme in lexemes:
            self._scan.put(lexeme)
        self._resume(self._scan)

    def _emit(self, event: Event) -> None:
        if not isinstance(event, TextDelta):
            self._space = ""
        self._events.append(event)

    def _resume(self, scan: Scan) -> None:
        try:
            next(self._reading)
        except StopIteration:
            scan.end()
            self._leave(scan.rest())
        except NotACall:
            self._reject(scan)

    def _reject(self, scan: Scan) -> None:
        """Another form may take it; else its first lexeme is text, and the rest may be anything."""
        scan.abandon()
        began = scan.index > self._index
        scan.rewind()
        lexemes = scan.rest()
        if began:
            self._leave(lexemes)
        elif self._untried:
            self._begin(self._untried, lexemes)
        else:
            self._scan, self._quoted = None, lexemes[0].marker in self._wrappers
            self._todo.extendleft(reversed(lexemes[1:]))
            self._emit_text(lexemes[0].text)

    def _leave(self, rest: Sequence[Lexeme]) -> None:
        """The last call of a region has ended."""
        assert self._scan is not None
        self._index, self._spoke, self._scan = self._scan.index, False, None
        self._todo.extendleft(reversed(rest))

    def _emit_text(self, text: str) -> None:
        self._context.feed(text)
        if self._spoke:
            self._events.append(TextDelta(text))
        elif text.isspace() and len(self._space) < UNDECIDED_LIMIT:
            self._space += text
        else:
            self._emit_space()
            self._spoke = True
            self._events.append(TextDelta(text))

    def _emit_space(self) -> None:
        if self._space:
            self._events.append(TextDelta(self._space))
        self._space = ""
