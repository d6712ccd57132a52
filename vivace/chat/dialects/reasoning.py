"""Reasoning between two markers: `<think>…</think>`.

What belongs to the markers and is not part of any text: one newline after the opener, one before the closer, and up to
two directly after the closer (the family's own separator). Everything else goes through as it is.

Families that put the answer between markers too (`content`) lose those where the first of them begins the answer.

An opener counts at the very start. Later, if the vocabulary has it as one token, wherever that token is generated; if
only letters are known, at the start of a line outside code fences. It never counts inside a tool call. An opener that
the model repeats at the start of a block which the prompt opened is dropped.
"""

from dataclasses import dataclass

from vivace.chat.dialects.base import UNDECIDED_LIMIT, Piece, ToolParser
from vivace.chat.dialects.lexed_reasoning import LexedReasoning
from vivace.chat.dialects.lexer import Lexeme
from vivace.chat.events import ReasoningDelta

_SEPARATOR_NEWLINES = 2


@dataclass(frozen=True)
class MarkedReasoning:
    """Declaration of a family; without markers there is no reasoning at all.

    Attributes:
        label: text that belongs to the opener, though it is not part of its token.
        others: opener and closer of the family's other kinds of blocks.
        content: markers around the answer; `preface`: text that stands before the first of them.
        answer_open: see `ReasoningDialect`.
    """

    name: str
    opener: str = ""
    closer: str = ""
    label: str = ""
    content: tuple[str, str] = ("", "")
    others: tuple[tuple[str, str], ...] = ()
    preface: str = ""
    resume: str = ""
    answer_open: str = ""

    @property
    def markers(self) -> tuple[str, ...]:
        return tuple(m for m in (*self.openers, *self.closers, *self.content) if m)

    @property
    def openers(self) -> tuple[str, ...]:
        return tuple(m for m in (self.opener, *(opener for opener, _ in self.others)) if m)

    @property
    def closers(self) -> tuple[str, ...]:
        return tuple(m for m in (self.closer, *(closer for _, closer in self.others)) if m)

    def open_in(self, prompt: str) -> bool:
        return self._opened(prompt) is not None

    def closer_in(self, prompt: str) -> str:
        return self._opened(prompt) or self.closer

    def _opened(self, prompt: str) -> str | None:
        """The closer of the block that the prompt ends in."""
        end = prompt.rstrip()
        ends = {end, end.removesuffix(self.label.strip()).rstrip()}
        pairs = zip(self.openers, self.closers, strict=True)
        return next((closer for opener, closer in pairs for text in ends if text.endswith(opener)), None)

    def parser(self, is_open: bool, tokens: frozenset[str]) -> "MarkedParser":
        return MarkedParser(self, is_open, tokens)


class MarkedParser(LexedReasoning):
    """See `ReasoningParser`."""

    def __init__(self, dialect: MarkedReasoning, is_open: bool, tokens: frozenset[str]) -> None:
        super().__init__(dialect.markers, tokens)
        self._openers, self._closers = dialect.openers, dialect.closers
        self.reasoning = is_open
        self._label = dialect.label
        self._unread = ""  # of the label, still to come
        self._content_open, self._content_close = (m or None for m in dialect.content)
        self._preface = dialect.preface
        self._wrapped = False  # the answer began with its marker
        self._tail = ""  # of the answer, held back: a newline, the marker that ends it, white space
        self._over = False  # that marker has come
        self._repeatable = is_open  # the prompt opened this block: an opener at its start is a repetition
        self._fresh = not is_open  # nothing of the answer has come yet
        self._begun = is_open  # something other than white space was said
        self._space = ""
        self._strip = 1 if is_open else 0  # newlines still to be dropped as a marker's own
        self._newline_held = False

    @property
    def held(self) -> bool:
        return bool(self._lexer.partial or self._space or self._newline_held or self._tail)

    def _end_output(self, tools: ToolParser) -> None:
        if self._newline_held:
            self._events.append(ReasoningDelta("\n"))
        self._newline_held = False
        self._content(tools, Piece(self._pop_space() + ("" if self._over else self._tail)))

    def _take(self, lexeme: Lexeme, tools: ToolParser) -> None:
        if self.reasoning:
            self._take_reasoning(lexeme)
        else:
            self._take_content(lexeme, tools)

    def _take_reasoning(self, lexeme: Lexeme) -> None:
        if lexeme.marker in self._closers:
            self.reasoning, self._begun, self._fresh = False, True, True
            self._newline_held, self._space, self._strip = False, "", _SEPARATOR_NEWLINES
            return
        if lexeme.marker in self._openers and self._repeatable:
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
        if lexeme.marker in self._openers and self._counts(lexeme, tools):
            self.reasoning, self._begun, self._strip = True, True, 1
            self._space, self._unread = "", self._label
        elif lexeme.marker in self._closers and not self._begun:
            self._begun, self._strip, self._space = True, _SEPARATOR_NEWLINES, ""  # of a block that was left out
        elif lexeme.marker and self._is_wrapper(lexeme):
            self._space = ""
        elif self._may_begin and self._may_precede(lexeme.text) and len(self._space) < UNDECIDED_LIMIT:
            self._space += self._without_separator(lexeme.text)
        else:
            self._begun, self._fresh = True, self._fresh and lexeme.text.isspace()
            self._content(tools, Piece(self._pop_space()))
            if self._strip:
                lexeme = lexeme._replace(text=self._without_separator(lexeme.text))
            self._say(lexeme, tools)

    @property
    def _may_begin(self) -> bool:
        """Reasoning, or the marker of the answer, may still come."""
        return not self._begun or (self._fresh and bool(self._content_open))

    def _is_wrapper(self, lexeme: Lexeme) -> bool:
        """Drops the marker that begins the answer, and holds back the one that may end it."""
        if lexeme.marker == self._content_open and self._fresh:
            self._wrapped, self._fresh, self._begun, self._strip = True, False, True, 1
            return True
        if lexeme.marker == self._content_close and (self._wrapped or lexeme.token) and not self._over:
            self._over = True
            self._tail = "" if lexeme.token else self._tail + lexeme.text
            return True
        return False

    def _may_precede(self, text: str) -> bool:
        """Only white space, or the beginning of the preface, so far."""
        return text.isspace() or self._preface.startswith((self._space + text).strip())

    def _say(self, lexeme: Lexeme, tools: ToolParser) -> None:
        """Part of the answer. Within markers, the newline before the closer and what follows it may not be content."""
        if self._over and lexeme.text.isspace() and len(self._tail) < UNDECIDED_LIMIT:
            self._tail += lexeme.text
            return
        tail, self._tail, self._over = self._tail, "", False
        text = lexeme.text
        if self._wrapped and not lexeme.token and text.endswith("\n"):
            text, self._tail = text[:-1], "\n"
        self._content(tools, Piece(tail))
        self._content(tools, Piece(text, lexeme.token))

    def _without_label(self, text: str) -> str:
        """Drops what is there of the opener's label."""
        while self._unread and text:
            if text[0] != self._unread[0]:
                text, self._unread = self._label[: -len(self._unread)] + text, ""
                break
            text, self._unread = text[1:], self._unread[1:]
        return text

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
