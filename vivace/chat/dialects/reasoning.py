"""Reasoning between two markers: `<think>…</think>`.

What belongs to the markers and is not part of any text: one newline after the opener, one before the closer, and up to
two directly after the closer (the family's own separator). Everything else goes through as it is.

Families that put the answer between markers too (`content`) lose those where the first of them begins the answer.

An opener counts at the very start. Later, if the vocabulary has it as one token, wherever that token is generated; if
only letters are known, at the start of a line outside code fences. It never counts inside a tool call. An opener that
the model repeats at the start of a block which the prompt opened is dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass

from vivace.chat.dialects.base import UNDECIDED_LIMIT, Piece, ToolParser
from vivace.chat.dialects.lexer import Lexeme, Lexer
from vivace.chat.events import Event, ReasoningDelta

_SEPARATOR_NEWLINES = 2


@dataclass(frozen=True)
class MarkedReasoning:
    """Declaration of a family; without markers there is no reasoning at all.

    Attributes:
        label: text that belongs to the opener, though it is not part of its token.
        content: markers around the answer; `preface`: text that stands before the first of them.
        answer_open: see `ReasoningDialect`.
    """

    name: str
    opener: str = ""
    closer: str = ""
    label: str = ""
    content: tuple[str, str] = ("", "")
    preface: str = ""
    resume: str = ""
    answer_open: str = ""

    @property
    def markers(self) -> tuple[str, ...]:
        return tuple(m for m in (self.opener, self.closer, *self.content) if m)

    def open_in(self, prompt: str) -> bool:
        opened = prompt.rfind(self.opener) if self.opener else -1
        inside = prompt[opened + len(self.opener) :].strip()
        return opened >= 0 and inside in ("", self.label.strip())

    def parser(self, is_open: bool, tokens: frozenset[str]) -> "MarkedParser":
        return MarkedParser(self, is_open, tokens)


class MarkedParser:
    """See `ReasoningParser`."""

    def __init__(self, dialect: MarkedReasoning, is_open: bool, tokens: frozenset[str]) -> None:
        self._opener, self._closer = dialect.opener or None, dialect.closer or None
        self._lexer = Lexer(dialect.markers, tokens)
        self.reasoning = is_open
        self._label = dialect.label
        self._unread = ""  # of the label, still to come
        self._content_open, self._content_close = (m or None for m in dialect.content)
        self._preface = dialect.preface
        self._wrapped = False  # the answer began with its marker
        self._closer_held = ""  # the marker that ends the answer, if nothing follows it
        self._repeatable = is_open  # the prompt opened this block: an opener at its start is a repetition
        self._fresh = not is_open  # nothing of the answer has come yet
        self._begun = is_open  # something other than white space was said
        self._space = ""
        self._strip = 1 if is_open else 0  # newlines still to be dropped as a marker's own
        self._newline_held = False
        self._keep: Callable[[Piece], None] | None = None
        self._events: list[Event] = []

    @property
    def held(self) -> bool:
        return bool(self._lexer.partial or self._space or self._newline_held)

    def keep(self, sink: Callable[[Piece], None]) -> None:
        """Hands every piece of reasoning to `sink` as well."""
        self._keep = sink

    def feed(self, piece: Piece, tools: ToolParser) -> list[Event]:
        for lexeme in self._lexer.feed(piece):
            self._take(lexeme, tools)
        return self._drain()

    def finish(self, tools: ToolParser) -> list[Event]:
        for lexeme in self._lexer.finish():
            self._take(lexeme, tools)
        if self._newline_held:
            self._events.append(ReasoningDelta("\n"))
        self._newline_held = False
        self._content(tools, Piece(self._pop_space()))
        return self._drain()

    def _drain(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _take(self, lexeme: Lexeme, tools: ToolParser) -> None:
        if self.reasoning:
            self._take_reasoning(lexeme)
        else:
            self._take_content(lexeme, tools)

    def _take_reasoning(self, lexeme: Lexeme) -> None:
        if lexeme.marker and lexeme.marker == self._closer:
            self.reasoning, self._begun, self._fresh = False, True, True
            self._newline_held, self._space, self._strip = False, "", _SEPARATOR_NEWLINES
            return
        if lexeme.marker and lexeme.marker == self._opener and self._repeatable:
            self._repeatable, self._space, self._strip = False, "", 1
            self._unread = self._label
            return
        if self._unread and lexeme.marker is None:
            lexeme = lexeme._replace(text=self._without_label(lexeme.text))
        if self._repeatable and lexeme.text.isspace() and len(self._space) < UNDECIDED_LIMIT:
            self._space += lexeme.text
            return
        self._repeatable = False
        self._think(Piece(self._pop_space()))
        self._think(Piece(lexeme.text, lexeme.token))

    def _think(self, piece: Piece) -> None:
        text = self._without_separator(piece.text)
        if not text:
            return
        if self._newline_held:
            text = "\n" + text
        self._newline_held = text.endswith("\n")
        text = text[:-1] if self._newline_held else text
        if self._keep:
            self._keep(piece)
        if text:
            self._events.append(ReasoningDelta(text))

    def _take_content(self, lexeme: Lexeme, tools: ToolParser) -> None:
        if lexeme.marker and lexeme.marker == self._opener and self._counts(lexeme, tools):
            self.reasoning, self._begun, self._strip = True, True, 1
            self._space, self._unread = "", self._label
        elif lexeme.marker and self._is_wrapper(lexeme):
            self._space = ""
        elif not self._begun and self._may_precede(lexeme.text) and len(self._space) < UNDECIDED_LIMIT:
            self._space += lexeme.text
        else:
            self._begun, self._fresh = True, self._fresh and lexeme.text.isspace()
            self._content(tools, Piece(self._pop_space() + self._pop_closer()))
            self._content(tools, Piece(self._without_separator(lexeme.text), lexeme.token))

    def _is_wrapper(self, lexeme: Lexeme) -> bool:
        """Drops the marker that begins the answer, and holds back the one that may end it."""
        if lexeme.marker == self._content_open and self._fresh:
            self._wrapped, self._fresh, self._begun, self._strip = True, False, True, 1
            return True
        if lexeme.marker == self._content_close and (self._wrapped or lexeme.token) and not self._closer_held:
            self._closer_held = "" if lexeme.token else lexeme.text
            return True
        return False

    def _may_precede(self, text: str) -> bool:
        """Only white space, or the beginning of the preface, so far."""
        said = (self._space + text).strip()
        return self._preface.startswith(said)

    def _without_label(self, text: str) -> str:
        """Drops what is there of the opener's label."""
        while self._unread and text:
            if text[0] != self._unread[0]:
                text, self._unread = self._label[: -len(self._unread)] + text, ""
                break
            text, self._unread = text[1:], self._unread[1:]
        return text

    def _pop_closer(self) -> str:
        closer, self._closer_held = self._closer_held, ""
        return closer

    def _counts(self, lexeme: Lexeme, tools: ToolParser) -> bool:
        return not tools.busy and (lexeme.token or not self._begun or tools.at_line_start)

    def _content(self, tools: ToolParser, piece: Piece) -> None:
        if piece.text:
            self._events += tools.feed(piece)

    def _pop_space(self) -> str:
        space, self._space = self._space, ""
        return space

    def _without_separator(self, text: str) -> str:
        while self._strip and text:
            if text[0] != "\n":
                self._strip = 0
                break
            text, self._strip = text[1:], self._strip - 1
        return text
