"""Calls as text that no family defines but models write: `name({"city": "Paris"})`, `name(city="Paris")`, `name {…}`.

Since prose may begin like that, the call is certain only at the end of its line, or before a marker that closes it;
until then it is held back.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.framed import FramedWay
from vivace.chat.dialects.json_arguments import ENCODED, read_json
from vivace.chat.dialects.json_scanner import MENDED, JsonScanner
from vivace.chat.dialects.lexer import Marker
from vivace.chat.dialects.reader import END, NotACall, Reading
from vivace.chat.dialects.scan import Scan
from vivace.chat.dialects.values import quote

_NAME_END = re.compile(r"[^\w.\-]")
_PREFIXES = ("functions.", "tools.", "call:")


@dataclass(frozen=True)
class TextCalls:
    """`closed`: a square bracket behind the call belongs to it."""

    closed: bool = False
    separator: str = ""
    brackets: tuple[str, str] = ("", "")
    markers: tuple[Marker, ...] = ()
    openers: tuple[Marker, ...] = ()
    closers: tuple[Marker, ...] = ()
    begins: str = ""

    def read(self, scan: Scan, way: FramedWay, wrapped: bool) -> Reading[None]:
        name = yield from self._name(scan)
        parts: list[str] = []
        if (yield from scan.literal("(")):
            yield from self._in_parentheses(scan, parts)
        else:
            yield from scan.space()
            yield from self._object(scan, parts)
        yield from self._end_of_line(scan, way.closers)
        scan.start(name)
        scan.arguments("".join(parts))
        scan.complete()

    def _name(self, scan: Scan) -> Reading[str]:
        yield from scan.space()
        for prefix in _PREFIXES:
            if (yield from scan.literal(prefix)):
                break
        name = yield from scan.until(_NAME_END, among=scan.tools)
        if name not in scan.tools:
            raise NotACall
        return name

    def _in_parentheses(self, scan: Scan, parts: list[str]) -> Reading[None]:
        yield from scan.space()
        char = yield from scan.char()
        if char == "{":
            yield from self._object(scan, parts)
        else:
            yield from self._named(scan, parts)
        yield from scan.space()
        if not (yield from scan.literal(")")):
            yield from self._expect_end(scan)

    def _object(self, scan: Scan, parts: list[str]) -> Reading[None]:
        char = yield from scan.char()
        if char not in ("{", '"'):
            raise NotACall
        yield from read_json(scan, (), parts.append)
        if char == '"':
            parts[:] = [_decoded("".join(parts))]
            scan.repair(ENCODED)

    def _named(self, scan: Scan, parts: list[str]) -> Reading[None]:
        begin = "{"
        while (yield from scan.char()) not in (")", ""):
            key = yield from scan.until(_NAME_END)
            yield from scan.space()
            if not key or not (yield from scan.literal("=")):
                raise NotACall
            yield from scan.space()
            parts.append(f'{begin}"{quote(key)}": ')
            begin = ", "
            yield from read_json(scan, (), parts.append, JsonScanner(literal=True))
            yield from scan.space()
            yield from scan.literal(",")
            yield from scan.space()
        parts.append("{}" if begin == "{" else "}")

    def _end_of_line(self, scan: Scan, closers: Collection[Marker]) -> Reading[None]:
        closed = yield from self._blank(scan, closers)
        if self.closed and not closed:
            yield from scan.literal("]")
            closed = yield from self._blank(scan, closers)
        if not closed:
            raise NotACall

    def _expect_end(self, scan: Scan) -> Reading[None]:
        """The parenthesis may be missing at the end of the output only."""
        if (yield from scan.peek()) is not END:
            raise NotACall
        scan.repair(MENDED)

    def _blank(self, scan: Scan, closers: Collection[Marker]) -> Reading[bool]:
        """Whether the line, the call or the output ends here; white space is consumed."""
        space = yield from scan.space()
        lexeme = yield from scan.peek()
        return "\n" in space or lexeme is END or lexeme.marker in closers

    def body_rule(self, writer: RuleWriter, tool: Tool) -> str:
        raise AssertionError("nothing is made to write this")


def _decoded(string: str) -> str:
    """The object that a JSON string holds."""
    inside = json.loads(string).strip()
    if not inside.startswith("{"):
        raise NotACall
    scanner = JsonScanner()
    return scanner.feed(inside)[0] + scanner.finish()
