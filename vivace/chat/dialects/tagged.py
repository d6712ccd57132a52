"""Calls whose parameters are tags around raw text: `<function=f><parameter=k>…</parameter></function>`.

Which closer ends a value. Inside a value every marker is text, except
- a parameter closer followed, past white space, by the opener of a declared sibling not given yet, by the closers of
  the call, or by the end of the output;
- the closers of the call themselves, if the parameter's was forgotten, and a declared sibling's opener at the start of
  a line.
The closers of a call that is written whole inside a value belong to that inner call. Where the call's wrapper is not
closed after its function, the end is only likely: text is held back (up to UNDECIDED_LIMIT) until a complete group of
closers says that the value goes on to there, or nothing does.

White space between calls, before the first one if nothing else was said, and after the last one is not content.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import UNDECIDED_LIMIT, Piece, RuleWriter, new_call_id
from vivace.chat.dialects.code_context import CodeContext
from vivace.chat.dialects.lexer import Lexeme, Lexer, Tag
from vivace.chat.dialects.tagged_grammar import call_rule
from vivace.chat.dialects.tagged_value import TaggedValue
from vivace.chat.dialects.values import ValueWriter, parameter_types, quote
from vivace.chat.events import Event, TextDelta, ToolCallArguments, ToolCallFinished, ToolCallStarted

State = Literal["outside", "opened", "bare", "body", "value", "closing"]


@dataclass(frozen=True)
class TaggedDialect:
    """Declaration of a family. `newline`: what wraps the value of a parameter, and stands after each tag."""

    name: str
    wrapper_open: str
    wrapper_close: str
    function_open: Tag
    function_close: str
    parameter_open: Tag
    parameter_close: str
    newline: str = "\n"
    aliases: tuple[str, ...] = ()

    @property
    def markers(self) -> tuple[str, ...]:
        return (self.wrapper_open, self.wrapper_close)

    def lexemes(self) -> Mapping[str, str | Tag]:
        """The marker table of the lexer."""
        return {
            "wrapper_open": self.wrapper_open,
            "wrapper_close": self.wrapper_close,
            "function_open": self.function_open,
            "function_close": self.function_close,
            "parameter_open": self.parameter_open,
            "parameter_close": self.parameter_close,
        }

    def parser(self, tools: Sequence[Tool], tokens: frozenset[str]) -> "TaggedParser":
        return TaggedParser(self, tools, tokens)

    def call_rule(self, writer: RuleWriter, tool: Tool, exact: bool) -> str:
        return call_rule(self, writer, tool, exact)

    def separator(self) -> str:
        return '"\\n"'


class TaggedParser:
    """See `ToolParser`. One lexeme at a time goes to the method of the current state."""

    def __init__(self, dialect: TaggedDialect, tools: Sequence[Tool], tokens: frozenset[str]) -> None:
        self._dialect = dialect
        self._tools = {tool.name: tool for tool in tools}
        self._lexer = Lexer(dialect.lexemes() if tools else {}, tokens)
        self._context = CodeContext()
        self._state: State = "outside"
        self._index = 0  # calls that have ended
        self._events: list[Event] = []
        self._held: list[Lexeme] = []  # of an opener that may become a call
        self._space = ""  # white space that is content only if content follows
        self._quoted = False  # an opener went by as text: what follows it is no bare call
        self._spoke = False  # content was emitted since the start or the last call
        self._wrapped = False
        self._stray = False
        self._repaired: str | None = None
        self._tool: Tool
        self._given: set[str] = set()
        self._value: TaggedValue

    @property
    def busy(self) -> bool:
        return self._state != "outside"

    @property
    def held(self) -> bool:
        """Characters are held back, undecided."""
        return bool(self._held or self._space or self._lexer.partial or self.busy)

    @property
    def called(self) -> int:
        return self._index + (self._state in ("body", "value", "closing"))

    @property
    def at_line_start(self) -> bool:
        return self._context.at_line_start and not self._lexer.partial

    def feed(self, piece: Piece) -> list[Event]:
        for lexeme in self._lexer.feed(piece):
            self._take(lexeme)
        return self._drain()

    def finish(self, cut: bool = False) -> list[Event]:
        partial = self._lexer.finish()
        if self._state in ("outside", "opened", "bare") or (self._state == "value" and not self._is_closer(partial)):
            for lexeme in partial:
                self._take(lexeme)
        if cut and (self._state == "body" or (self._state == "value" and not self._value.call_is_closed)):
            self._cut_off()
            return self._drain()
        reason = "the call was not closed at the end of the output"
        if self._state == "value":
            end = self._value.settle()
            self._repaired = self._repaired or end.repaired or reason
            self._end_value()
            self._end_call()
            self._retake(end.rest)
            return self.finish(cut)
        if self._state in ("body", "closing"):
            self._repaired = self._repaired or reason
            self._end_call()
        self._release()
        if not self._index or self._spoke:
            self._emit_space()
        self._space = ""
        return self._drain()

    def _cut_off(self) -> None:
        """The token limit fell within a call: its arguments stay open."""
        if self._state == "value":
            self._arguments(self._value.drain())
        self._events.append(ToolCallFinished(self._index, "the output ended at the token limit"))
        self._index += 1
        self._state = "outside"

    def _drain(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _is_closer(self, partial: list[Lexeme]) -> bool:
        """Whether the output was cut within the closer of a parameter: `</p` and longer."""
        return bool(partial) and len(partial[0].text) > 2 and self._dialect.parameter_close.startswith(partial[0].text)

    def _take(self, lexeme: Lexeme) -> None:
        match self._state:
            case "outside":
                self._take_outside(lexeme)
            case "opened" | "bare":
                self._take_opened(lexeme)
            case "body":
                self._take_body(lexeme)
            case "value":
                self._take_value(lexeme)
            case "closing":
                self._take_closing(lexeme)

    def _take_outside(self, lexeme: Lexeme) -> None:
        kind = lexeme.kind
        opener_went_by = kind in ("wrapper_open", "spelled")
        quoted, self._quoted = self._quoted, opener_went_by or (self._quoted and lexeme.text.isspace())
        if kind == "wrapper_open" and (lexeme.token or not self._context.in_code):
            self._state, self._held, self._quoted = "opened", [lexeme], False
        elif kind == "function_open" and lexeme.name in self._tools and self._may_start_bare() and not quoted:
            self._state, self._held = "bare", [lexeme]
        elif kind == "wrapper_close" and self._index and not self._spoke:
            self._space = ""  # the closer of a wrapper that was never opened
        else:
            self._emit_text(lexeme.text)

    def _may_start_bare(self) -> bool:
        return self._context.at_line_start or (not self._spoke and not self._context.in_code)

    def _take_opened(self, lexeme: Lexeme) -> None:
        """After an opener: only white space may come before what makes it a call."""
        if lexeme.kind == "text" and lexeme.text.isspace() and len(self._held) < UNDECIDED_LIMIT:
            self._held.append(lexeme)
        elif self._state == "opened" and lexeme.kind == "function_open" and lexeme.name in self._tools:
            self._start_call(lexeme.name, wrapped=True)
        elif self._state == "bare" and lexeme.kind in ("parameter_open", "function_close"):
            self._start_call(self._held[0].name, wrapped=False)
            self._repaired = "the call had no wrapper"
            self._take(lexeme)
        else:
            self._release()
            self._take(lexeme)

    def _take_stray(self, text: str) -> None:
        """Prose between two parameters goes out as content."""
        text = text if self._stray else text.lstrip()
        if text:
            self._stray, self._repaired = True, "text stood between the parameters"
            self._events.append(TextDelta(text))

    def _take_body(self, lexeme: Lexeme) -> None:
        self._stray = self._stray and lexeme.kind == "text"
        match lexeme.kind:
            case "parameter_open" if lexeme.name not in self._given:
                self._begin_value(lexeme.name)
            case "function_close":
                if self._wrapped:
                    self._state, self._held = "closing", []
                else:
                    self._end_call()
            case "wrapper_close":
                self._repaired = "the function was not closed"
                self._end_call()
            case "wrapper_open" | "function_open":
                self._repaired = "the call was not closed"
                self._end_call()
                self._take(lexeme)
            case _:
                self._take_stray(lexeme.text)

    def _take_closing(self, lexeme: Lexeme) -> None:
        if lexeme.kind == "text" and lexeme.text.isspace():
            self._held.append(lexeme)
            return
        held, self._held = self._held, []
        if lexeme.kind == "wrapper_close":
            self._end_call()
            return
        self._repaired = self._repaired or "the wrapper was not closed"
        self._end_call()
        self._retake([*held, lexeme])

    def _take_value(self, lexeme: Lexeme) -> None:
        verdict = self._value.take(lexeme)
        self._arguments(self._value.drain())
        if verdict is None:
            return
        self._repaired = self._repaired or verdict.repaired
        self._end_value()
        if verdict.call_ends:
            self._end_call()
        self._retake(verdict.rest)

    def _retake(self, lexemes: Sequence[Lexeme]) -> None:
        for lexeme in lexemes:
            self._take(lexeme)

    def _start_call(self, name: str, wrapped: bool) -> None:
        self._space, self._held, self._given, self._repaired = "", [], set(), None
        self._state, self._wrapped, self._tool = "body", wrapped, self._tools[name]
        self._events.append(ToolCallStarted(self._index, new_call_id(), name))

    def _begin_value(self, key: str) -> None:
        siblings = self._tool.parameters.get("properties") or None
        writer = ValueWriter(parameter_types(self._tool, key))
        self._arguments(f'{", " if self._given else "{"}"{quote(key)}": ')
        self._given.add(key)
        self._state = "value"
        self._value = TaggedValue(writer, siblings, self._given, self._tools, self._wrapped, self._dialect.newline)

    def _end_value(self) -> None:
        self._arguments(self._value.finish())
        self._state = "body"

    def _end_call(self) -> None:
        self._arguments("}" if self._given else "{}")
        self._events.append(ToolCallFinished(self._index, self._repaired))
        self._index += 1
        self._state, self._spoke = "outside", False

    def _arguments(self, json_delta: str) -> None:
        if json_delta:
            self._events.append(ToolCallArguments(self._index, json_delta))

    def _release(self) -> None:
        """What was held as an opener is text."""
        held, self._held, self._state = self._held, [], "outside"
        for lexeme in held:
            self._emit_text(lexeme.text)

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
