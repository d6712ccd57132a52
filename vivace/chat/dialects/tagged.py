"""Calls whose parameters are tags around raw text: `<function=f><parameter=k>…</parameter></function>`.

Which closer ends a value. Inside a value every marker is text, except
- a parameter closer followed, past white space, by the opener of a declared sibling not given yet, by the closers of
  the call, or by the end of the output;
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
from vivace.chat.dialects.lexer import Lexeme, Marker, Tag
from vivace.chat.dialects.scan import END, NotACall, Reading, Scan
from vivace.chat.dialects.tagged_grammar import body_rule
from vivace.chat.dialects.tagged_value import Role, TaggedValue
from vivace.chat.dialects.values import ValueWriter, parameter_types, quote

CDATA = ("<![CDATA[", "]]>")
_NAME_END = re.compile(r"\s")


@dataclass(frozen=True)
class TaggedCalls:
    """
    Attributes:
        function_open: None where the name stands alone behind the frame's opener.
        newline: what wraps the value of a parameter; `after_tag`: what stands behind the other tags.
        json_suffix: of a parameter's tag whose value is JSON; `text_suffix`: whose value is text, whatever it looks
            like; other values are typed by the schema alone.
        cdata: values may be wrapped in `<![CDATA[…]]>`.
    """

    function_open: Tag | None
    function_close: str
    parameter_open: Tag
    parameter_close: str
    newline: str = "\n"
    after_tag: str = "\n"
    json_suffix: str = ""
    text_suffix: str = ""
    cdata: bool = False
    separator: str = ""
    brackets: tuple[str, str] = ("", "")

    @property
    def markers(self) -> tuple[Marker, ...]:
        own = (*self.openers, self.function_close, self.parameter_open, self.parameter_close)
        return (*own, *CDATA) if self.cdata else own

    @property
    def openers(self) -> tuple[Marker, ...]:
        return (self.function_open,) if self.function_open else ()

    @property
    def closers(self) -> tuple[Marker, ...]:
        return (self.function_close, self.parameter_close)

    def read(self, scan: Scan, way: FramedWay, wrapped: bool) -> Reading[None]:
        name = yield from self._name(scan, way)
        if not (self.function_open and wrapped):
            yield from self._expect_body(scan)
        yield from _Call(self, scan, way, wrapped, scan.start(name)).read()

    def _name(self, scan: Scan, way: FramedWay) -> Reading[str]:
        if not self.function_open:
            return (yield from scan.until(_NAME_END, among=scan.tools if way.frame.starts else None))
        opener = yield from scan.marker(self.function_open)
        if opener is None:
            raise NotACall
        return opener.name

    def _expect_body(self, scan: Scan) -> Reading[None]:
        """A name alone may be prose: only a parameter or the closer makes it a call."""
        yield from scan.space()
        lexeme = yield from scan.peek()
        if lexeme.marker not in (self.parameter_open, self.function_close) or lexeme is END:
            raise NotACall

    def roles(self, way: FramedWay) -> Mapping[Marker, Role]:
        frame = way.frame
        roles: list[tuple[Marker | None, Role]] = [
            (frame.open, "wrapper_open"),
            (frame.call_open, "wrapper_open"),
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

    def body_rule(self, writer: RuleWriter, tool: Tool, exact: bool) -> str:
        return body_rule(self, writer, tool, exact)


class _Call:
    """One call while it is read."""

    def __init__(self, form: TaggedCalls, scan: Scan, way: FramedWay, wrapped: bool, tool: Tool) -> None:
        self._form, self._scan, self._way, self._wrapped, self._tool = form, scan, way, wrapped, tool
        self._roles = form.roles(way)
        self._given: set[str] = set()

    def read(self) -> Reading[None]:
        more = True
        while more:
            more = yield from self._next()
        self._scan.arguments("}" if self._given else "{}")
        self._scan.complete()

    def _next(self) -> Reading[bool]:
        """Reads a parameter, a closer or what does not belong there; False at the end of the call."""
        scan = self._scan
        lexeme = yield from scan.peek()
        if lexeme is END:
            scan.repair("the call was not closed at the end of the output")
            return False
        match self._roles.get(lexeme.marker) if lexeme.marker else None:
            case "parameter_open" if lexeme.name not in self._given:
                scan.silence()
                return (yield from self._parameter(scan.take()))
            case "function_close":
                scan.take()
                return False
            case "wrapper_close":
                scan.repair("the function was not closed")
                return False
            case "wrapper_open" | "function_open":
                scan.repair(NOT_CLOSED)
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
        siblings = self._tool.parameters.get("properties") or None
        writer = ValueWriter(form.types(self._tool, opener))
        scan.arguments(f'{", " if self._given else "{"}"{quote(key)}": ')
        self._given.add(key)
        many = bool(self._way.frame.open) and self._way.frame.many
        wrapped = self._wrapped and form.function_open is not None
        value = TaggedValue(writer, siblings, self._given, scan.tools, wrapped, form.newline, self._roles, many)
        verdict = None
        while verdict is None:
            lexeme = yield from scan.peek()
            if lexeme is END:
                verdict = value.settle()
                scan.repair(verdict.repaired or "the call was not closed at the end of the output")
            else:
                verdict = value.take(scan.take())
                scan.arguments(value.drain())
                scan.whole = value.call_is_closed
        scan.repair(verdict.repaired)
        scan.arguments(value.finish())
        scan.whole = False
        scan.rewind(verdict.rest)
        return not verdict.call_ends
