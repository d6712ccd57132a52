"""Families whose output is messages with headers: what is reasoning, an answer or a call is said by the header.

The prompt has begun the first header, so the output may go on with a recipient. A header that belongs to a call is
handed to the tool dialect with its message; text outside all messages is an answer.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from vivace.chat.dialects.base import Piece, ToolParser
from vivace.chat.dialects.lexed_reasoning import LexedReasoning
from vivace.chat.dialects.lexer import Lexeme
from vivace.chat.events import ReasoningDelta, TextDelta

_RECIPIENT = re.compile(r"to=(\S+?)(?=\s|<\||$)")
_HEADER_LIMIT = 1024  # characters; a longer one is text

State = Literal["begin", "header", "analysis", "call", "content", "answer", "between"]


@dataclass(frozen=True)
class MessageReasoning:
    """See `ReasoningDialect`.

    Attributes:
        start, message: markers before a header and behind it; `channel`: one that may begin the first header instead.
        ends: markers behind a message.
        thinks: what the header of reasoning contains.
        prose: recipients that are no tools; what is said to them holds no calls.
        call: what a call's header is to the tool dialect; None if that needs none.
        call_end: what a token that ends a message is to it.
    """

    name: str
    opener: str
    closer: str
    resume: str
    answer_open: str
    start: str
    message: str
    ends: tuple[str, ...]
    thinks: str
    channel: str = ""
    others: tuple[str, ...] = ()
    prose: frozenset[str] = frozenset()
    call: Callable[[str, bool], Sequence[Piece]] | None = None
    call_end: str = ""

    @property
    def closers(self) -> tuple[str, ...]:
        return (self.closer,)

    @property
    def markers(self) -> tuple[str, ...]:
        return (*self.header_openers, self.message, *self.others, *self.ends)

    @property
    def header_openers(self) -> tuple[str, ...]:
        return (self.start, self.channel) if self.channel else (self.start,)

    def open_in(self, prompt: str) -> bool:
        return prompt.rstrip().endswith(self.opener)

    def closer_in(self, prompt: str) -> str:
        return self.closer

    def parser(self, is_open: bool, tokens: frozenset[str]) -> "MessageParser":
        return MessageParser(self, is_open, tokens)


class MessageParser(LexedReasoning):
    """See `ReasoningParser`."""

    def __init__(self, dialect: MessageReasoning, is_open: bool, tokens: frozenset[str]) -> None:
        super().__init__(dialect.markers, tokens)
        self._dialect = dialect
        self._state: State = "analysis" if is_open else "begin"
        self._header: list[Lexeme] = []
        self._unsaid = ""  # the header of what may be a call: text if it is none
        self._end: Lexeme | None = None  # a spelled end, which counts if a message or nothing follows

    @property
    def reasoning(self) -> bool:
        return self._state == "analysis"

    @property
    def held(self) -> bool:
        return bool(self._lexer.partial or self._header or self._unsaid or self._end)

    def _end_output(self, tools: ToolParser) -> None:
        self._end = None
        self._release(tools)
        self._say_unsaid()

    def _take(self, lexeme: Lexeme, tools: ToolParser) -> None:
        match self._state:
            case "begin" | "between":
                self._take_between(lexeme, tools)
            case "header":
                self._take_header(lexeme, tools)
            case "call":
                self._take_call(lexeme, tools)
            case _:
                self._take_message(lexeme, tools)

    def _take_between(self, lexeme: Lexeme, tools: ToolParser) -> None:
        """Outside messages. The prompt has begun the first header, so it may go on with a recipient."""
        so_far = "".join(x.text for x in self._header) + lexeme.text
        if lexeme.marker in self._dialect.header_openers:
            self._state = "header"
            self._header.append(lexeme)
        elif lexeme.marker == self._dialect.message and self._header:
            self._state = "header"
            self._take_header(lexeme, tools)
        elif lexeme.marker is None and self._state == "begin" and _may_be_recipient(so_far):
            self._header.append(lexeme)
        elif lexeme.marker not in self._dialect.ends:
            text = lexeme.text.lstrip() if self._state == "between" else lexeme.text
            if text:
                self._state = "content"
                self._release(tools)
                self._take_message(lexeme._replace(text=text), tools)

    def _take_header(self, lexeme: Lexeme, tools: ToolParser) -> None:
        self._header.append(lexeme)
        written = "".join(x.text for x in self._header)
        if lexeme.marker != self._dialect.message:
            if len(written) > _HEADER_LIMIT or lexeme.marker in self._dialect.ends:
                self._release(tools)
            return
        recipient = _RECIPIENT.search(written)
        if recipient and recipient.group(1) not in self._dialect.prose:
            self._begin_call(recipient.group(1), written, lexeme.token, tools)
        elif self._dialect.thinks in written:
            self._state = "analysis"
        else:
            self._state = "answer" if recipient else "content"
        self._header = []

    def _begin_call(self, recipient: str, written: str, token: bool, tools: ToolParser) -> None:
        self._state = "call"
        if self._dialect.call is None:
            self._unsaid = written
            return
        for piece in self._dialect.call(recipient, token):
            self._tell(piece, tools)

    def _take_call(self, lexeme: Lexeme, tools: ToolParser) -> None:
        is_end = lexeme.marker in self._dialect.ends or (lexeme.marker == self._dialect.start and lexeme.token)
        if not is_end or tools.busy or self._dialect.call:
            text = self._dialect.call_end if is_end and lexeme.token else lexeme.text
            self._tell(Piece(text, lexeme.token), tools)
            if is_end and not tools.busy:
                self._drop_end(text)
        if is_end and not tools.busy:
            self._say_unsaid()
            self._state = "between"
            if lexeme.marker == self._dialect.start:
                self._take(lexeme, tools)

    def _tell(self, piece: Piece, tools: ToolParser) -> None:
        """Hands a call's message on; the header comes before it if it was no call."""
        events = tools.feed(piece)
        if events and isinstance(events[0], TextDelta):
            self._say_unsaid()
        elif events:
            self._unsaid = ""
        self._events += events

    def _drop_end(self, end: str) -> None:
        """The end of a message that was no call is not content."""
        last = self._events[-1] if self._events else None
        if isinstance(last, TextDelta) and last.text.endswith(end):
            self._events[-1] = TextDelta(last.text.removesuffix(end))

    def _say_unsaid(self) -> None:
        if self._unsaid:
            self._events.append(TextDelta(self._unsaid))
        self._unsaid = ""

    def _take_message(self, lexeme: Lexeme, tools: ToolParser) -> None:
        end, self._end = self._end, None
        if lexeme.marker == self._dialect.start and (lexeme.token or end):
            self._state, self._header = "header", [lexeme]
        elif end:
            self._say(end, tools)
            self._take_message(lexeme, tools)
        elif lexeme.marker in self._dialect.ends and (lexeme.token or self.reasoning):
            self._state = "between"
        elif lexeme.marker in self._dialect.ends:
            self._end = lexeme
        elif lexeme.marker and lexeme.marker == self._dialect.channel and lexeme.token:
            self._state, self._header = "header", [lexeme]
        else:
            self._say(lexeme, tools)

    def _say(self, lexeme: Lexeme, tools: ToolParser) -> None:
        piece = Piece(lexeme.text)
        if self._state == "answer" and not tools.held:
            self._events.append(TextDelta(lexeme.text))
        elif not self.reasoning:
            self._events += tools.feed(piece)
        else:
            self._events.append(ReasoningDelta(lexeme.text))
            if self._keep:
                self._keep(piece)

    def _release(self, tools: ToolParser) -> None:
        """What was held as a header is text."""
        header, self._header = self._header, []
        if self._state == "header":
            self._state = "content"
        for lexeme in header:
            self._events += tools.feed(Piece(lexeme.text))


def _may_be_recipient(text: str) -> bool:
    text = text.lstrip()
    return len(text) < _HEADER_LIMIT and ("to=".startswith(text) or text.startswith("to="))
