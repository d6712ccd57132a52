"""Pythonic calls: `[f(a="x", b=[1, {"k": True}]), g()]`, values as Python literals."""

import re
from dataclasses import dataclass

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.framed import FramedWay
from vivace.chat.dialects.json_arguments import read_json
from vivace.chat.dialects.json_scanner import MENDED, JsonScanner
from vivace.chat.dialects.lexer import Marker
from vivace.chat.dialects.mixed_grammar import Found, behind_text, head_rule
from vivace.chat.dialects.pythonic_grammar import pythonic_arguments
from vivace.chat.dialects.reader import END, NotACall, Reading
from vivace.chat.dialects.scan import Scan
from vivace.chat.dialects.tagged_grammar import properties
from vivace.chat.dialects.values import quote
from vivace.chat.dialects.ways import Where

_NAME_END = re.compile(r"[^\w.\-]")
_WORDS = ("True", "False", "None", "true", "false", "null")
_BARE_WORD = "/[A-Za-z_][A-Za-z_0-9]*[^A-Za-z_0-9=]/"  # in place of arguments: prose about the function
POSITIONAL = "an argument had no name"


@dataclass(frozen=True)
class PythonicCalls:
    """
    Attributes:
        listed: calls stand in brackets; where nothing else shows that calls were meant they must.
        between: what stands between calls without brackets.
    """

    listed: bool = True
    between: str = "\n"
    markers: tuple[Marker, ...] = ()
    openers: tuple[Marker, ...] = ()
    closers: tuple[Marker, ...] = ()
    begins: str = ""

    @property
    def brackets(self) -> tuple[str, str]:
        return ("[", "]") if self.listed else ("", "")

    @property
    def separator(self) -> str:
        return ", " if self.listed else self.between

    def read(self, scan: Scan, way: FramedWay, wrapped: bool) -> Reading[None]:
        listed = yield from scan.literal("[")
        if not listed and self.listed and not wrapped:
            raise NotACall
        scan.listed = listed
        more = True
        while more:
            yield from self._call(scan, way)
            yield from scan.space()
            comma = yield from scan.literal(",")
            yield from scan.space()
            following = yield from scan.char()
            more = following.isidentifier() and (comma or not listed) and wrapped | comma
        if listed and (yield from scan.literal("]")):
            scan.settle()
        elif listed:
            scan.repair(MENDED)
        scan.rewind()

    def _call(self, scan: Scan, way: FramedWay) -> Reading[None]:
        yield from scan.space()
        name = yield from scan.until(_NAME_END)
        if not (yield from scan.literal("(")):
            raise NotACall
        yield from self._expect_argument(scan)
        tool = scan.start(name)
        given: list[str] = []
        while (yield from self._argument(scan, way, tool, given)):
            pass
        scan.arguments("}" if given else "{}")
        scan.complete()

    def _expect_argument(self, scan: Scan) -> Reading[None]:
        """A bare word is none: it is prose about the function. What was read is given back."""
        yield from scan.space()
        key = yield from scan.until(_NAME_END)
        yield from scan.space()
        if key[:1].isalpha() and key not in _WORDS and (yield from scan.char()) not in ("=", ""):
            raise NotACall
        scan.unread(key)

    def _argument(self, scan: Scan, way: FramedWay, tool: Tool, given: list[str]) -> Reading[bool]:
        """Reads one argument and the comma behind it; False at the closing parenthesis, or where it should be."""
        yield from scan.space()
        if (yield from scan.literal(")")):
            return False
        key = yield from scan.until(_NAME_END)
        yield from scan.space()
        named = bool(key) and (yield from scan.literal("="))
        if not named:
            missing = [k for k in properties(tool) if k not in given]
            char = yield from scan.char()
            if key or not char or not missing or char in ")]},=":
                scan.repair(MENDED)
                return False
            scan.repair(POSITIONAL)
            key = missing[0]
        yield from scan.space()
        if (yield from scan.peek()) is END:
            scan.repair(MENDED)
            return False
        scan.arguments(f'{", " if given else "{"}"{quote(key)}": ')
        given.append(key)
        yield from read_json(scan, way.stops, scan.arguments, JsonScanner(literal=True, enclosed=True))
        yield from scan.space()
        yield from scan.literal(",")
        return True

    def body_rule(self, writer: RuleWriter, tool: Tool) -> str:
        return f"{writer.text(f'{tool.name}(')} {pythonic_arguments(writer, tool)}"

    def found_rule(self, writer: RuleWriter, tool: Tool, opening: str, where: Where) -> Found:
        text = f"{self.brackets[0]}{tool.name}("
        head = behind_text(writer, opening + text, where) if opening else head_rule(writer, text)
        return Found(head, pythonic_arguments(writer, tool), _BARE_WORD)
