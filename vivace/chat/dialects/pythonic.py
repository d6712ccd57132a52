"""Pythonic calls: `[f(a="x", b=[1, {"k": True}]), g()]`, values as Python literals."""

import re
from dataclasses import dataclass

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.framed import FramedWay
from vivace.chat.dialects.json_arguments import read_json
from vivace.chat.dialects.json_scanner import MENDED, JsonScanner
from vivace.chat.dialects.lexer import Marker
from vivace.chat.dialects.scan import END, NotACall, Reading, Scan
from vivace.chat.dialects.tagged_grammar import properties, value_options
from vivace.chat.dialects.values import quote, types_of

_NAME_END = re.compile(r"[^\w.\-]")
_SINGLE_QUOTED = r"/'([^'\\\n]|\\[^\n])*'/"
_WORDS = ("True", "False", "None", "true", "false", "null")
POSITIONAL = "an argument had no name"


@dataclass(frozen=True)
class PythonicCalls:
    """`listed`: calls stand in brackets, where nothing else shows that calls were meant they must."""

    listed: bool = True
    markers: tuple[Marker, ...] = ()
    openers: tuple[Marker, ...] = ()
    closers: tuple[Marker, ...] = ()

    @property
    def brackets(self) -> tuple[str, str]:
        return ("[", "]") if self.listed else ("", "")

    @property
    def separator(self) -> str:
        return ", " if self.listed else "\n"

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
        yield from read_json(scan, way.stops, scan.arguments, JsonScanner(literal=True))
        yield from scan.space()
        yield from scan.literal(",")
        return True

    def body_rule(self, writer: RuleWriter, tool: Tool, exact: bool) -> str:
        """Arguments in the schema's order; what is optional may be left out. JSON is near enough to Python for it."""
        required = [k for k in properties(tool) if k in tool.parameters.get("required", ())]
        optional = [k for k in properties(tool) if k not in required]
        parts = [writer.text(f"{tool.name}(")]
        for i, key in enumerate(required):
            parts.append(self._rule(writer, tool, key, ", " if i else ""))
        parts += (
            [f"{self._rule(writer, tool, key, ', ')}?" for key in optional] if required else self._any(writer, tool)
        )
        return " ".join([*parts, writer.text(")")])

    def _any(self, writer: RuleWriter, tool: Tool) -> list[str]:
        """Optional arguments only: each may be the first."""
        keys = list(properties(tool))
        rules = []
        for i, key in enumerate(keys):
            rest = " ".join(f"{self._rule(writer, tool, later, ', ')}?" for later in keys[i + 1 :])
            rules.append(f"{self._rule(writer, tool, key, '')} {rest}")
        return [f"({writer.rule('arguments', ' | '.join(rules))})?"] if rules else []

    def _rule(self, writer: RuleWriter, tool: Tool, key: str, before: str) -> str:
        return writer.rule("argument", f"{writer.text(f'{before}{key}=')} {_value(writer, tool, key)}")


def _value(writer: RuleWriter, tool: Tool, key: str) -> str:
    """JSON, or the Python literal where it differs and is no container."""
    schema = properties(tool)[key]
    types = types_of(schema, tool.parameters)
    options = value_options(schema)
    alternatives = [writer.json(schema, tool.parameters)]
    if options:
        alternatives += [writer.text(repr(option)) for option in options]
    elif types == {"string"}:
        alternatives.append(_SINGLE_QUOTED)
    alternatives += ['"True"', '"False"'] if "boolean" in types and not options else []
    alternatives += ['"None"'] if "null" in types and not options else []
    return f"({' | '.join(alternatives)})"
