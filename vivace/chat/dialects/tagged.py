"""Calls whose parameters are tags around raw text: `<function=f><parameter=k>…</parameter></function>`.

Which closer ends a value. Inside a value every marker is text, except
- a parameter closer followed, past white space, by the opener of a sibling not given yet that is declared, or that the
  schema lets be, by the closers of the call, or by the end of the output;
- the closers of the call themselves, if the parameter's was forgotten, and a declared sibling's opener at the start of
  a line.
The closers of a call that is written whole inside a value belong to that inner call. Where the call's wrapper is not
closed after its function, the end is only likely: text is held back (up to UNDECIDED_LIMIT) until a complete group of
closers says that the value goes on to there, or nothing does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.framed import NOT_CLOSED, FramedWay
from vivace.chat.dialects.json_arguments import read_arguments
from vivace.chat.dialects.lexer import Lexeme, Marker, Tag
from vivace.chat.dialects.mixed_grammar import Found
from vivace.chat.dialects.reader import END, NotACall, Reading
from vivace.chat.dialects.scan import Scan
from vivace.chat.dialects.tagged_grammar import CDATA, body_rule, found_rule, properties, takes_others
from vivace.chat.dialects.tagged_value import Role, TaggedValue
from vivace.chat.dialects.value_writer import ValueWriter
from vivace.chat.dialects.values import parameter_types, quote
from vivace.chat.dialects.ways import Where

JSON_BODY = "the arguments were a JSON object"
_NAME_END = re.compile(r"\s")


@dataclass(frozen=True)
class TaggedCalls:
    """
    Attributes:
        function_open: None where the name stands alone behind the frame's opener.
        newline: what wraps the value of a parameter; `after_tag`: what stands behind the other tags.
        key_end: which end of a parameter's tag the family writes, if not the first.
        json_suffix: of a parameter's tag whose value is JSON; `text_suffix`: whose value is text, whatever it looks
            like; other values are typed by the schema alone.
        cdata: values may be wrapped in `<![CDATA[…]]>`.
        before: texts and markers before the function's opener, and `name_close`: the marker behind a name that stands
            alone; calls are understood without them.
        empty: what the family writes in place of parameters where there are none.
        json_body: the family may write a JSON object in place of the parameters.
        other_closers: of the function, which are understood too.
        ends: tokens that end a call where they come, but need not come.
    """

    function_open: Tag | None
    function_close: str
    parameter_open: Tag
    parameter_close: str
    newline: str = "\n"
    after_tag: str = "\n"
    key_end: str = ""
    json_suffix: str = ""
    text_suffix: str = ""
    cdata: bool = False
    before: tuple[str, ...] = ()
    name_close: str = ""
    empty: str = ""
    json_body: bool = False
    other_closers: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    separator: str = ""
    brackets: tuple[str, str] = ("", "")

    @property
    def markers(self) -> tuple[Marker, ...]:
        return (*self.openers, self.parameter_open, *self.closers, *self._lead, *(CDATA if self.cdata else ()))

    @property
    def _lead(self) -> tuple[str, ...]:
        """Markers that stand before the function or behind its name."""
        return tuple(m for m in (*self.before, self.name_close) if m.startswith("<"))

    @property
    def openers(self) -> tuple[Marker, ...]:
        return (self.function_open,) if self.function_open else ()

    @property
    def closers(self) -> tuple[Marker, ...]:
        return (self.function_close, *self.other_closers, self.parameter_close, *self.ends)

    def read(self, scan: Scan, way: FramedWay, wrapped: bool) -> Reading[None]:
        name, certain = yield from self._name(scan, way)
        if not (certain and wrapped):
            yield from self._expect_body(scan)
        yield from _Call(self, scan, way, wrapped, scan.start(name)).read()

    def _name(self, scan: Scan, way: FramedWay) -> Reading[tuple[str, bool]]:
        """The name, and whether it can be nothing else."""
        yield from scan.space()
        if not self.function_open:
            name = yield from scan.until(_NAME_END, among=scan.tools if way.frame.starts else None)
            yield from scan.space()
            return name, bool((yield from scan.marker(self.name_close or None)))
        for part in self.before:
            yield from (scan.marker(part) if part in self._lead else scan.literal(part))
            yield from scan.space()
        opener = yield from scan.marker(self.function_open)
        if opener is None:
            raise NotACall
        return opener.name, True

    def _expect_body(self, scan: Scan) -> Reading[None]:
        """A name alone may be prose: only a parameter, a JSON object or the closer makes it a call."""
        yield from scan.space()
        lexeme = yield from scan.peek()
        if lexeme.marker in (self.parameter_open, self.function_close):
            return
        if lexeme.marker or not lexeme.text.startswith("{"):
            raise NotACall

    def roles(self, way: FramedWay) -> Mapping[Marker, Role]:
        frame = way.frame
        roles: list[tuple[Marker | None, Role]] = [
            *((m, "function_close") for m in self.other_closers),
            *((m, "wrapper_close") for m in self.ends),
            (frame.open, "wrapper_open"),
            (frame.call_open, "call_open" if frame.open else "wrapper_open"),
            (frame.call_close, "wrapper_close"),
            (frame.close, "wrapper_close"),
            (self.function_open, "function_open"),
            (self.function_close, "function_close"),
            (self.parameter_open, "parameter_open"),
            (self.parameter_close, "parameter_close"),
            (CDATA[0] if self.cdata else None, "cdata_open"),
            (CDATA[1] if self.cdata else None, "cdata_close"),
        ]
        return {marker: role for marker, role in roles if marker}

    def types(self, tool: Tool, opener: Lexeme) -> frozenset[str]:
        """What the value of this parameter may be."""
        types = parameter_types(tool, opener.name)
        if self.json_suffix and opener.text.endswith(self.json_suffix):
            return types - {"string"} or types
        if self.text_suffix and opener.text.endswith(self.text_suffix):
            return types & {"string"} or types
        return types

    @property
    def begins(self) -> str:
        return "".join(self.before) + (self.function_open.prefix if self.function_open else "")

    def body_rule(self, writer: RuleWriter, tool: Tool) -> str:
        return body_rule(self, writer, tool)

    def found_rule(self, writer: RuleWriter, tool: Tool, opening: str, where: Where) -> Found:
        return found_rule(self, writer, tool, opening, where)


class _Call:
    """One call while it is read."""

    def __init__(self, form: TaggedCalls, scan: Scan, way: FramedWay, wrapped: bool, tool: Tool) -> None:
        self._form, self._scan, self._way, self._wrapped, self._tool = form, scan, way, wrapped, tool
        self._roles = form.roles(way)
        self._given: set[str] = set()
        self._whole = False  # the arguments came as JSON

    def read(self) -> Reading[None]:
        scan = self._scan
        yield from scan.space()
        if (yield from scan.char()) == "{":
            yield from self._json_body()
        more = True
        while more:
            more = yield from self._next()
        if not self._whole:
            scan.arguments("}" if self._given else "{}")
        scan.complete()

    def _json_body(self) -> Reading[None]:
        if not self._form.json_body:
            self._scan.repair(JSON_BODY)
        yield from read_arguments(self._scan, self._way.stops, self._scan.arguments)
        self._whole = True

    def _next(self) -> Reading[bool]:
        """Reads a parameter, a closer or what does not belong there; False at the end of the call."""
        scan = self._scan
        lexeme = yield from scan.peek()
        if lexeme is END:
            scan.repair("the call was not closed at the end of the output")
            return False
        match self._roles.get(lexeme.marker) if lexeme.marker else None:
            case "parameter_open" if lexeme.name not in self._given and not self._whole:
                scan.silence()
                return (yield from self._parameter(scan.take()))
            case "function_close":
                scan.take()
                return False
            case "wrapper_close":
                scan.repair("the function was not closed")
                return False
            case "wrapper_open" | "call_open" | "function_open":
                scan.repair(NOT_CLOSED)
                return False
            case None if self._whole and not self._wrapped and lexeme.text.strip():
                scan.repair(NOT_CLOSED)  # another call may follow, of a family without closers
                return False
            case _:
                self._stray(scan.take())
                return True

    def _stray(self, lexeme: Lexeme) -> None:
        """Prose between two parameters goes out as content."""
        if lexeme.marker:
            self._scan.silence()
        if self._scan.content(lexeme.text):
            self._scan.repair("text stood between the parameters")

    def _parameter(self, opener: Lexeme) -> Reading[bool]:
        """Reads a value; False if its end is that of the call too."""
        scan, form, key = self._scan, self._form, opener.name
        siblings = properties(self._tool)
        others = not siblings or takes_others(self._tool.parameters)
        writer = ValueWriter(form.types(self._tool, opener))
        scan.arguments(f'{", " if self._given else "{"}"{quote(key)}": ')
        self._given.add(key)
        many = bool(self._way.frame.open) and self._way.frame.many
        wrapped = self._wrapped and form.function_open is not None
        value = TaggedValue(writer, siblings, others, self._given, scan.tools, wrapped, form.newline, self._roles, many)
        verdict = None
        while verdict is None:
            lexeme = yield from scan.peek()
            if lexeme is END:
                verdict = value.settle()
                scan.repair(verdict.repaired or "the call was not closed at the end of the output")
            else:
                verdict = value.take(scan.take())
                scan.arguments(value.drain())
                scan.content(writer.surplus())
                scan.repair(writer.repaired)  # known by now: it counts even if the token limit falls behind it
                scan.whole = value.call_is_closed
        scan.repair(verdict.repaired)
        scan.arguments(value.finish())
        scan.content(writer.surplus())
        scan.repair(writer.repaired)
        scan.whole = False
        scan.rewind(verdict.rest)
        return not verdict.call_ends
