"""Calls whose name stands before the arguments: `NAME{…}`, `NAME⟦sep⟧{…}`, `<function=NAME>{…}</function>`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.framed import NOT_CLOSED, FramedWay
from vivace.chat.dialects.json_arguments import read_arguments
from vivace.chat.dialects.lexer import Marker, Tag
from vivace.chat.dialects.mixed_grammar import Found, another_rule, behind_text
from vivace.chat.dialects.reader import END, NotACall, Reading
from vivace.chat.dialects.scan import Scan
from vivace.chat.dialects.ways import Where

_NAME_END = re.compile(r"[^\w.\-:/]")
_COUNTED = re.compile(r"(?:functions\.)?(.+?)(?::\d+)?")


@dataclass(frozen=True)
class HeaderCalls:
    """
    Attributes:
        before: texts and markers before the name; a tag instead holds the name itself.
        between: those between name and arguments; `after`: those behind the arguments.
        seps: those of all these that are markers.
        ends: markers that end the call where they come, but need not come; the family writes the first.
        keeps_id: the name is written as `functions.NAME:0`, which is the id of the call.
        id_open: the marker behind the name, before an id of nine letters and digits.
    """

    before: tuple[Marker, ...] = ()
    between: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    seps: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    keeps_id: bool = False
    id_open: str = ""
    separator: str = ""
    brackets: tuple[str, str] = ("", "")

    @property
    def markers(self) -> tuple[Marker, ...]:
        return (*self._tags, *self.seps, *self.ends, *([self.id_open] if self.id_open else []))

    @property
    def openers(self) -> tuple[Marker, ...]:
        return self._tags

    @property
    def closers(self) -> tuple[Marker, ...]:
        return (*(m for m in self.after if m in self.seps), *self.ends)

    @property
    def _tags(self) -> tuple[Tag, ...]:
        return tuple(m for m in self.before if isinstance(m, Tag))

    def read(self, scan: Scan, way: FramedWay, wrapped: bool) -> Reading[None]:
        written = yield from self._name(scan, way)
        call_id = yield from self._id(scan)
        found = yield from self._parts(scan, self.between)
        yield from scan.space()
        follows = yield from scan.char()
        lexeme = yield from scan.peek()
        shows = any(part.strip() for part in self.between) or (bool(self._tags) and lexeme.marker in way.stops)
        encoded = follows == '"' and bool(way.frame.open or way.frame.call_open or self._tags)
        if follows != "{" and not encoded and (lexeme is END or not found or not shows):
            raise NotACall
        name, counted = self._name_and_id(scan, written)
        scan.start(name, call_id or counted)
        yield from read_arguments(scan, way.stops, scan.arguments)
        scan.complete()
        if (yield from self._parts(scan, self.after)):
            scan.settle()
        else:
            scan.repair(NOT_CLOSED)
        for end in self.ends:
            if (yield from self._part(scan, end)):
                scan.settle()
        scan.rewind()

    def _parts(self, scan: Scan, parts: Sequence[str]) -> Reading[bool]:
        found = True
        for part in parts:
            found = (yield from self._part(scan, part)) and found
        return found

    def _name(self, scan: Scan, way: FramedWay) -> Reading[str]:
        for part in self.before:
            if isinstance(part, Tag):
                lexeme = yield from scan.marker(part)
                if lexeme is None:
                    raise NotACall
                return lexeme.name
            yield from self._part(scan, part)
        yield from scan.space()
        names = [prefix + name for name in scan.tools for prefix in ("", "functions.")] if way.frame.starts else None
        return (yield from scan.until(_NAME_END, among=names))

    def _id(self, scan: Scan) -> Reading[str | None]:
        yield from scan.space()
        if not self.id_open or not (yield from scan.marker(self.id_open)):
            return None
        yield from scan.space()
        return (yield from scan.until(_NAME_END)) or None

    def _part(self, scan: Scan, part: str) -> Reading[bool]:
        yield from scan.space()
        if part.strip() in (*self.seps, *self.ends):
            return bool((yield from scan.marker(part.strip())))
        return (yield from scan.literal(part.strip()))

    def _name_and_id(self, scan: Scan, written: str) -> tuple[str, str | None]:
        found = _COUNTED.fullmatch(written)
        if written in scan.tools or not found or not self.keeps_id:
            return written, None
        return found.group(1), written

    @property
    def begins(self) -> str:
        return self._tags[0].prefix if self._tags else _joined(self.before) + ("functions." if self.keeps_id else "")

    def body_rule(self, writer: RuleWriter, tool: Tool) -> str:
        between = [writer.text("".join(self.between))] if self.between else []
        return " ".join([writer.text(self._head(tool)), *self._id_rules(writer), *between, self._rest(writer, tool)])

    def found_rule(self, writer: RuleWriter, tool: Tool, opening: str, where: Where) -> Found | None:
        """The head is all up to the arguments, or to the id."""
        between = "".join(self.between)
        behind = self.id_open or between
        if self.keeps_id:
            return None
        head = behind_text(writer, opening + self._head(tool) + behind, where)
        if not self.id_open:
            return Found(head, self._rest(writer, tool), another_rule(writer, "{"))
        rest = " ".join([*self._id_rules(writer)[1:], writer.text(between), self._rest(writer, tool)])
        return Found(head, rest)

    def _head(self, tool: Tool) -> str:
        name = f"functions.{tool.name}:" if self.keeps_id else tool.name
        tags = self._tags
        return f"{tags[0].prefix}{name}{tags[0].suffixes[0]}" if tags else _joined(self.before) + name

    def _id_rules(self, writer: RuleWriter) -> list[str]:
        parts = [r"/[0-9]{1,4}/"] if self.keeps_id else []
        return parts + ([writer.text(self.id_open), r"/[a-zA-Z0-9]{9}/"] if self.id_open else [])

    def _rest(self, writer: RuleWriter, tool: Tool) -> str:
        """The arguments, and what ends the call."""
        arguments, end = writer.json(tool.parameters, tool.parameters), "".join((*self.after, *self.ends[:1]))
        return f"{arguments} {writer.text(end)}" if end else arguments


def _joined(parts: Sequence[Marker]) -> str:
    return "".join(part for part in parts if isinstance(part, str))
