"""Harmony (gpt-oss): every message has a header that says its channel and its recipient.

`<|channel|>analysis<|message|>…<|end|>` is reasoning, `<|channel|>final<|message|>…<|return|>` the answer, and
`<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{…}<|call|>` a call; the recipient may also stand
before the channel. Commentary without a recipient is shown. As a reasoning dialect it reads the headers and hands calls
to the tool dialect in the first of these forms.

Source: OpenAI's harmony response format (cookbook.openai.com/articles/openai-harmony), library openai-harmony.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from vivace.chat.dialects.base import Piece, ToolParser
from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.header_calls import HeaderCalls
from vivace.chat.dialects.lexer import Lexeme, Lexer
from vivace.chat.events import Event, ReasoningDelta

_START, _CHANNEL, _CONSTRAIN, _MESSAGE = "<|start|>", "<|channel|>", "<|constrain|>", "<|message|>"
_ENDS = ("<|end|>", "<|return|>", "<|call|>")
_RECIPIENT = re.compile(r"to=(\S+?)(?=\s|<\||$)")
_HEADER_LIMIT = 1024  # characters; a longer one is text

_FORM = HeaderCalls(
    before=("commentary", " to=functions."),
    between=(f" {_CONSTRAIN}", "json", _MESSAGE),
    seps=(_CONSTRAIN, _MESSAGE),
    ends=("<|call|>",),
)
TOOLS = FramedDialect(
    "harmony",
    (FramedWay(Frame(call_open=_CHANNEL), _FORM),),
    ("gpt-oss",),
    parallel=False,  # the model stops at the token that ends a call
    preamble=(f"{_CHANNEL}commentary{_MESSAGE}", f"<|end|>{_START}assistant"),
)

State = Literal["begin", "header", "analysis", "call", "content", "between"]


@dataclass(frozen=True)
class HarmonyReasoning:
    """See `ReasoningDialect`."""

    name: str = "harmony"
    opener: str = f"{_CHANNEL}analysis{_MESSAGE}"
    closer: str = "<|end|>"
    resume: str = f"{_START}assistant"
    answer_open: str = f"{_CHANNEL}final{_MESSAGE}"
    markers: tuple[str, ...] = (_START, _CHANNEL, _CONSTRAIN, _MESSAGE, *_ENDS)

    def open_in(self, prompt: str) -> bool:
        return prompt.rstrip().endswith(self.opener)

    def parser(self, is_open: bool, tokens: frozenset[str]) -> "HarmonyParser":
        return HarmonyParser(self, is_open, tokens)


class HarmonyParser:
    """See `ReasoningParser`."""

    def __init__(self, dialect: HarmonyReasoning, is_open: bool, tokens: frozenset[str]) -> None:
        self._lexer = Lexer(dialect.markers, tokens)
        self._state: State = "analysis" if is_open else "begin"
        self._header: list[Lexeme] = []
        self._end: Lexeme | None = None  # a spelled end, which counts if a message or nothing follows
        self._keep: Callable[[Piece], None] | None = None
        self._events: list[Event] = []

    @property
    def reasoning(self) -> bool:
        return self._state == "analysis"

    @property
    def held(self) -> bool:
        return bool(self._lexer.partial or self._header or self._end)

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
        self._end = None
        self._release(tools)
        return self._drain()

    def _drain(self) -> list[Event]:
        events, self._events = self._events, []
        return events

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
        if lexeme.marker in (_START, _CHANNEL):
            self._state = "header"
            self._header.append(lexeme)
        elif lexeme.marker is None and self._state == "begin" and _may_be_recipient(so_far):
            self._header.append(lexeme)
        elif lexeme.marker not in _ENDS and not (self._state == "between" and lexeme.text.isspace()):
            self._state = "content"
            self._release(tools)
            self._take_message(lexeme, tools)

    def _take_header(self, lexeme: Lexeme, tools: ToolParser) -> None:
        self._header.append(lexeme)
        written = "".join(x.text for x in self._header)
        if lexeme.marker != _MESSAGE:
            if len(written) > _HEADER_LIMIT or lexeme.marker in _ENDS:
                self._release(tools)
            return
        recipient = _RECIPIENT.search(written)
        if recipient:
            self._begin_call(recipient.group(1), lexeme.token, tools)
        else:
            self._state = "analysis" if f"{_CHANNEL}analysis" in written else "content"
        self._header = []

    def _begin_call(self, recipient: str, token: bool, tools: ToolParser) -> None:
        self._state = "call"
        for piece in (Piece(_CHANNEL, token), Piece(f"commentary to={recipient}"), Piece(_MESSAGE, token)):
            self._events += tools.feed(piece)

    def _take_call(self, lexeme: Lexeme, tools: ToolParser) -> None:
        is_end = lexeme.marker in _ENDS or (lexeme.marker == _START and lexeme.token)
        self._events += tools.feed(Piece("<|call|>" if is_end and lexeme.token else lexeme.text, lexeme.token))
        if is_end and not tools.busy:
            self._state = "between"
            if lexeme.marker == _START:
                self._take(lexeme, tools)

    def _take_message(self, lexeme: Lexeme, tools: ToolParser) -> None:
        end, self._end = self._end, None
        if lexeme.marker == _START and (lexeme.token or end):
            self._state, self._header = "header", [lexeme]
        elif end:
            self._say(end, tools)
            self._take_message(lexeme, tools)
        elif lexeme.marker in _ENDS and (lexeme.token or self.reasoning):
            self._state = "between"
        elif lexeme.marker in _ENDS:
            self._end = lexeme
        elif lexeme.marker == _CHANNEL and lexeme.token:
            self._state, self._header = "header", [lexeme]
        else:
            self._say(lexeme, tools)

    def _say(self, lexeme: Lexeme, tools: ToolParser) -> None:
        piece = Piece(lexeme.text)
        if not self.reasoning:
            self._events += tools.feed(piece)
            return
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


REASONING = HarmonyReasoning()
