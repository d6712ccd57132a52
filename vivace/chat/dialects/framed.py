"""Families as declarations: a frame of markers around calls, and the form of what lies inside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import ReasoningDialect, RuleWriter, new_call_id
from vivace.chat.dialects.calls import CallParser
from vivace.chat.dialects.lexer import Marker
from vivace.chat.dialects.mixed_grammar import BareForm, mixed_rule
from vivace.chat.dialects.reader import NotACall, Reading
from vivace.chat.dialects.scan import Scan
from vivace.chat.dialects.ways import WayTable, Where

NO_WRAPPER = "the call had no wrapper"
NOT_CLOSED = "the call was not closed"
WRAPPER_NOT_CLOSED = "the wrapper was not closed"


@dataclass(frozen=True)
class Frame:
    """Markers around calls; those that a family lacks are empty.

    Attributes:
        open, close: around all calls of one turn, or around the one if `many` is False.
        call_open, call_close: around each call.
        newline: what stands between these markers and the calls; `call_newline`: between the inner ones and a call, if
            that differs; `between`: between two calls.
        where: see `ways.Way.openers`; for the outermost opener.
        starts: see `ways.Way.starts`; for families whose calls need no opener.
    """

    open: str = ""
    close: str = ""
    call_open: str = ""
    call_close: str = ""
    newline: str = ""
    call_newline: str | None = None
    between: str = ""
    many: bool = True
    where: Where = "anywhere"
    starts: str = ""

    @property
    def closers(self) -> tuple[str, ...]:
        return tuple(m for m in (self.close, self.call_close) if m)


class Form(Protocol):
    """How one call, or a list of calls, is written inside its frame."""

    @property
    def markers(self) -> Sequence[Marker]:
        """Markers of its own."""

    @property
    def openers(self) -> Sequence[Marker]:
        """Those of them that begin a call, and can do so without the frame."""

    @property
    def closers(self) -> Sequence[Marker]:
        """Those of them that end a call."""

    @property
    def brackets(self) -> tuple[str, str]:
        """What stands around the list of calls."""

    @property
    def separator(self) -> str:
        """What stands between two calls of the list."""

    def read(self, scan: Scan, way: "FramedWay", wrapped: bool) -> Reading[None]:
        """Reads as many calls as there are up to the next marker of the frame; each is complete when this ends.

        `wrapped`: the frame's opener has been read.

        Raises:
            NotACall: what comes next is none.
        """

    @property
    def begins(self) -> str:
        """What every call begins with, in front of anything that is not always the same."""

    def body_rule(self, writer: RuleWriter, tool: Tool) -> str:
        """The lark expression of one call inside its frame."""


@dataclass(frozen=True)
class FramedWay:
    """See `ways.Way`."""

    frame: Frame
    form: Form
    note: str | None = None

    @property
    def markers(self) -> tuple[Marker, ...]:
        frame = self.frame
        return (*(m for m in (frame.open, frame.call_open) if m), *frame.closers, *self.form.markers)

    @property
    def openers(self) -> tuple[tuple[Marker, Where], ...]:
        """Those of the outermost level; without the wrapper around all calls, those of the next one too."""
        outer, *inner = self._levels
        bare = inner[0] if self.frame.open else ()
        return (*((m, self.frame.where) for m in outer), *((m, "line") for m in bare))

    @property
    def wrappers(self) -> Sequence[Marker]:
        return self._levels[0]

    @property
    def _levels(self) -> list[Sequence[Marker]]:
        """Openers from the outside in."""
        return [*([m] for m in (self.frame.open, self.frame.call_open) if m), self.form.openers]

    @property
    def starts(self) -> str:
        return self.frame.starts

    @property
    def closers(self) -> tuple[Marker, ...]:
        return (*self.frame.closers, *self.form.closers)

    @property
    def stops(self) -> frozenset[Marker]:
        """Markers that no value holds unless they are spelled in a string."""
        return frozenset((*self.closers, *(m for m, _ in self.openers)))

    def read(self, scan: Scan) -> Reading[None]:
        frame = self.frame
        wrapped = bool((yield from scan.marker(frame.open or None)))
        if frame.open and not wrapped:
            scan.repair(NO_WRAPPER)
        scan.listed = wrapped and frame.many
        more = True
        while more:
            yield from scan.space()
            if frame.call_open and not (yield from scan.marker(frame.call_open)):
                raise NotACall
            yield from scan.space()
            yield from self.form.read(scan, self, wrapped)
            more = yield from self._close(scan, wrapped)
        scan.close()
        scan.rewind()

    def _close(self, scan: Scan, wrapped: bool) -> Reading[bool]:
        """Reads the closers of a call; True if the frame goes on to another one."""
        frame = self.frame
        if frame.call_close:
            yield from self._closer(scan, frame.call_close, NOT_CLOSED)
        if not frame.open:
            return False
        if frame.many and (yield from self._another(scan)):
            return True
        if frame.close:
            yield from self._closer(scan, frame.close, WRAPPER_NOT_CLOSED if wrapped else NO_WRAPPER)
        return False

    def _closer(self, scan: Scan, marker: str, missing: str) -> Reading[None]:
        yield from scan.space()
        if (yield from scan.marker(marker)):
            scan.settle()
        else:
            scan.repair(missing)

    def _another(self, scan: Scan) -> Reading[bool]:
        yield from scan.space()
        lexeme = yield from scan.peek()
        inner = self.frame.call_open
        return lexeme.marker is not None and (lexeme.marker == inner if inner else lexeme.marker in self.form.openers)

    @property
    def trigger(self) -> str:
        """What begins calls, empty if nothing but their heads does."""
        return self.frame.open or self.frame.call_open or ("" if isinstance(self.form, BareForm) else self._begin)

    @property
    def _begin(self) -> str:
        return self.form.brackets[0]

    @property
    def is_closed(self) -> bool:
        """Something ends the calls of a turn, so that text may follow them."""
        frame = self.frame
        return bool(frame.close or self.form.brackets[1] or not (frame.open and frame.many))

    @property
    def opening(self) -> str:
        """The trigger, and what the family writes between it and the calls."""
        if self.frame.open:
            return self.frame.open + self.frame.newline
        return self.frame.call_open + self._call_newline if self.frame.call_open else self.trigger

    @property
    def begins(self) -> str:
        """What comes behind `opening` in any case; empty if that is the name of a tool."""
        if self.frame.open and self.frame.call_open:
            return self.frame.call_open
        return self._begin.removeprefix(self.opening) or self.form.begins

    @property
    def _call_newline(self) -> str:
        return self.frame.newline if self.frame.call_newline is None else self.frame.call_newline

    def call_rule(self, writer: RuleWriter, tool: Tool, opened: str = "") -> str:
        """`opened`: what has been written of what stands before the call."""
        frame = self.frame
        before = frame.call_open + self._call_newline if frame.call_open else ""
        after = self._call_newline + frame.call_close if frame.call_close else ""
        parts = [before.removeprefix(opened), after]
        whole = [_text(writer, parts[0]), self.form.body_rule(writer, tool), _text(writer, parts[1])]
        return writer.rule("call", " ".join(part for part in whole if part))

    def calls_rule(self, writer: RuleWriter, call: str, many: bool, opened: str = "") -> str:
        """All calls of a turn, in one frame or in one each; `opened`: what has been written of it."""
        frame, form = self.frame, self.form
        begin, end = form.brackets
        before = (frame.open + (frame.newline if frame.open else "") + begin).removeprefix(opened)
        after = end + (frame.newline + frame.close if frame.close else "")
        separator = form.separator or frame.between

        def around(calls: str) -> str:
            return " ".join(part for part in (_text(writer, before), calls, _text(writer, after)) if part)

        if not many:
            return around(call)
        if begin or (frame.open and frame.many):
            return around(f"{call} ({_text(writer, separator)} {call})*")
        return f"{around(call)} ({_text(writer, separator)} {around(call)})*"


def _text(writer: RuleWriter, text: str) -> str:
    return writer.text(text) if text else ""


@dataclass(frozen=True)
class FramedDialect:
    """A family: the first of `ways` is how the grammar lets it write, all of them are understood.

    Attributes:
        parts: texts that are one token each, and stand in markers that are several.
        parallel: there may be several calls in one answer.
        preamble: what stands around a text that is said before calls, where answers have headers.
    """

    name: str
    ways: tuple[FramedWay, ...]
    aliases: tuple[str, ...] = ()
    new_id: Callable[[], str] = new_call_id
    parts: tuple[str, ...] = ()
    parallel: bool = True
    preamble: tuple[str, str] | None = None

    @property
    def markers(self) -> tuple[str, ...]:
        found = [m for way in self.ways for m in way.markers if isinstance(m, str)]
        return tuple(dict.fromkeys((*found, *self.parts)))

    @property
    def trigger(self) -> str:
        return self.ways[0].trigger

    def parser(self, tools: Sequence[Tool], tokens: frozenset[str]) -> CallParser:
        return CallParser(WayTable(self.ways, self.parts), tools, tokens, self.new_id)

    def call_rule(self, writer: RuleWriter, tool: Tool) -> str:
        return self.ways[0].call_rule(writer, tool)

    def calls_rule(self, writer: RuleWriter, call: str, many: bool) -> str:
        return self.ways[0].calls_rule(writer, call, many and self.parallel)

    def mixed_rule(
        self, writer: RuleWriter, tools: Sequence[Tool], many: bool, reasoning: ReasoningDialect
    ) -> str | None:
        return mixed_rule(self, writer, tools, many and self.parallel, reasoning)
