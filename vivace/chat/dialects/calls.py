"""The outer machine of every tool dialect: prose and calls apart, whatever form the calls have.

An opener in the prose is a candidate: the forms that it may begin read on, one after the other, until one of them is
certain of a call. What none of them takes is released as text, the opener first; nothing stays undecided for more than
UNDECIDED_LIMIT characters. Spelled openers in code are text.

White space between calls, before the first one if nothing else was said, and after the last one is not content.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import takewhile

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import Piece, new_call_id
from vivace.chat.dialects.lexer import Lexeme, Lexer, Tag
from vivace.chat.dialects.prose import Prose
from vivace.chat.dialects.reader import END, NotACall, Reading
from vivace.chat.dialects.scan import Scan
from vivace.chat.dialects.ways import Way, WayTable, Where
from vivace.chat.events import Event, ToolCallStarted

_CHUNK = 4096  # longer text is cut, since forms take pieces from its front
_PATIENCE = 1000  # openers that rejected candidates may read over; beyond, openers are text: so cost stays linear
_NO_WAYS = WayTable()


class CallParser:
    """See `ToolParser`."""

    def __init__(
        self,
        ways: WayTable,
        tools: Sequence[Tool],
        tokens: frozenset[str],
        new_id: Callable[[], str] = new_call_id,
        parts: Sequence[str] = (),
    ) -> None:
        self._ways = ways if tools else _NO_WAYS
        self._tools = {tool.name: tool for tool in tools}
        self.new_id = new_id
        self._lexer = Lexer(self._ways.markers, tokens, self._ways.parts)
        self._prose = Prose()
        self._rest: CallParser | None = None
        self._todo: deque[Lexeme] = deque()
        self._scan: Scan | None = None
        self._way: Way
        self._reading: Reading[None]
        self._untried: Sequence[Way] = ()
        self._patience = _PATIENCE
        self._handed = False  # text went to `rest` since the last call: where a lexeme begins says nothing
        self._quoted = False  # an opener went by as text: what follows it is no call without a wrapper

    def hand_on(self, rest: "CallParser") -> None:
        """What this parser takes for text is for `rest` to judge. While that has a call open, nothing else counts."""
        self._rest, rest._prose = rest, self._prose

    @property
    def busy(self) -> bool:
        return self._scan is not None or (self._rest is not None and self._rest.busy)

    @property
    def held(self) -> bool:
        """Characters are held back, undecided."""
        return self._prose.held or self.busy or self._pending

    @property
    def called(self) -> int:
        if self._scan:
            return self._scan.index + self._scan.open
        return self._rest.called if self._rest else self._prose.calls

    @property
    def at_line_start(self) -> bool:
        return self._prose.context.at_line_start and not self._pending

    @property
    def _pending(self) -> bool:
        """There is the beginning of a marker."""
        return bool(self._lexer.partial) or (self._rest is not None and self._rest._pending)

    @property
    def _open(self) -> bool:
        return self._scan is not None and self._scan.open

    @property
    def _spoke(self) -> bool:
        """Content came since the start or the last call, or is about to."""
        rest = self._rest
        return self._prose.spoke or (rest is not None and bool(rest.busy or rest._lexer.partial.strip()))

    def feed(self, piece: Piece) -> list[Event]:
        self._take_all(self._lexer.feed(piece))
        return self._prose.drain()

    def finish(self, cut: bool = False) -> list[Event]:
        """`cut`: the output ended at the token limit, not by itself."""
        partial = self._lexer.finish()
        if not self._open or not (self._is_marker(partial) or (cut and not self._scan_is_whole)):
            self._take_all(partial)
        while self._scan:
            self._scan.cut_off = cut
            if cut and self._scan.open and not self._scan.whole:
                self._scan.cut()
                self._leave([])
            else:
                self._take_all([END])
        if self._rest:
            return self._rest.finish(cut)
        self._prose.finish()
        return self._prose.drain()

    @property
    def _scan_is_whole(self) -> bool:
        return self._scan is not None and self._scan.whole

    def _is_marker(self, partial: list[Lexeme]) -> bool:
        """Whether the output was cut within a marker of the call's form."""
        if not partial or partial[0].marker:
            return False
        text = partial[0].text
        named = any(text.startswith(m.prefix) for m in self._way.markers if isinstance(m, Tag))
        return named or any((m if isinstance(m, str) else m.prefix).startswith(text) for m in self._way.markers)

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
        elif lexeme.marker in self._ways.closers and self._prose.calls and not self._spoke:
            self._prose.drop_space()  # the closer of a wrapper that was never opened
        else:
            self._quoted = lexeme.spelled or lexeme.marker in self._ways.wrappers or (quoted and lexeme.text.isspace())
            self._say(lexeme)

    def _ways_at(self, lexeme: Lexeme, quoted: bool) -> list[Way]:
        if self._patience < 0 or (self._rest and self._rest._open):
            return []
        if lexeme.marker is None:
            ways = self._ways.by_start.get(lexeme.text.lstrip()[:1], [])
            may = not (lexeme.spelled or lexeme.token or self._handed)
            return ways if may and ways and not self._spoke else []
        ways_at = self._ways.by_marker.get(lexeme.marker, ())
        return [way for way, where in ways_at if lexeme.token or self._counts(where, quoted)]

    def _counts(self, where: Where, quoted: bool) -> bool:
        context = self._prose.context
        in_code = context.in_code_behind(self._rest._lexer.partial if self._rest else "")
        match where:
            case "anywhere":
                return not in_code
            case "line":
                at_start = not self._spoke and not in_code
                # What a foreign wrapper has begun is for `rest` to judge.
                taken = self._rest is not None and self._rest.busy
                return (context.at_line_start or at_start) and not quoted and not taken
            case "start":
                return not self._spoke

    def _without_space(self, lexeme: Lexeme) -> Lexeme:
        text = lexeme.text.lstrip()
        if len(text) < len(lexeme.text):
            self._say(Lexeme(lexeme.text[: -len(text)]))
        return Lexeme(text)

    def _begin(self, ways: Sequence[Way], lexemes: Sequence[Lexeme]) -> None:
        self._way, *self._untried = ways
        self._scan = Scan(self._tools, self._emit, self._calls_before, self.new_id, self._way.note)
        self._reading = self._way.read(self._scan)
        for lexeme in lexemes:
            self._scan.put(lexeme)
        self._resume(self._scan)

    @property
    def _calls_before(self) -> int:
        return self._rest.called if self._rest else self._prose.calls

    def _emit(self, event: Event) -> None:
        if self._rest and isinstance(event, ToolCallStarted):
            self._rest.release()
        self._prose.emit(event)

    def _resume(self, scan: Scan) -> None:
        try:
            next(self._reading)
        except StopIteration:
            self._leave(scan.rest())
        except NotACall:
            self._reject(scan)

    def _reject(self, scan: Scan) -> None:
        """Another form may take it; else its first lexeme is text, and the rest may be anything."""
        lexemes = scan.give_up()
        if scan.has_called:
            self._leave(lexemes)
        elif self._untried:
            self._begin(self._untried, lexemes)
        else:
            self._scan, self._quoted = None, lexemes[0].marker in self._ways.wrappers
            self._patience -= sum(lexeme.marker in self._ways.by_marker for lexeme in lexemes[1:])
            first, *rest = _joined(lexemes)
            self._todo.extendleft(reversed(rest))
            self._say(first)

    def _leave(self, rest: Sequence[Lexeme]) -> None:
        """The last call of a region has ended."""
        assert self._scan is not None
        self._prose.after_call(self._scan.index)
        self._scan, self._handed = None, False
        self._todo.extendleft(reversed(rest))

    def _say(self, lexeme: Lexeme) -> None:
        rest = self._rest
        if not rest:
            self._prose.say(lexeme.text)
            return
        self._handed = self._handed or not lexeme.text.isspace()
        for piece in self._lexer.pieces(lexeme):
            rest._take_all(rest._lexer.feed(piece))
        if self._quoted and not rest.busy:
            rest._quoted = True

    def release(self) -> None:
        """What is undecided is text: a call of the parser before this one begins."""
        lexemes = self._lexer.finish()
        scan = self._scan
        if scan:
            lexemes = [*scan.give_up(), *lexemes]
            if scan.has_called:
                self._leave([])
        self._scan = None
        for lexeme in lexemes:
            self._say(lexeme)


def _joined(lexemes: Sequence[Lexeme]) -> Sequence[Lexeme]:
    """With plain text at the front in one."""
    plain = list(takewhile(lambda lexeme: lexeme == Lexeme(lexeme.text), lexemes))
    return [Lexeme("".join(lexeme.text for lexeme in plain)), *lexemes[len(plain) :]] if plain else lexemes
