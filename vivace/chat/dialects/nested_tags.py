"""Calls whose parameters are tags by name, and nested ones where a value is an object or a list:
`⟦ns⟧<invoke name="f">⟦ns⟧<city>Paris⟦ns⟧</city>⟦ns⟧<ids>⟦ns⟧<item>1⟦ns⟧</item>⟦ns⟧</ids>⟦ns⟧</invoke>`.

One token stands before every tag, so a value can hold tags of its own. A value ends at its closer if no text follows.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.framed import NOT_CLOSED, WRAPPER_NOT_CLOSED, FramedWay
from vivace.chat.dialects.lexer import Lexeme, Tag, tag
from vivace.chat.dialects.nested_grammar import call_rule
from vivace.chat.dialects.reader import END, NotACall, Reading
from vivace.chat.dialects.scan import Scan
from vivace.chat.dialects.value_writer import ValueWriter
from vivace.chat.dialects.values import quote, resolved, types_of

_INVOKE = re.compile(r'invoke name="?([^"]+)"?')
_CONTAINERS = frozenset({"object", "array"})
_DEPTH_LIMIT = 100  # what is nested deeper is text
_OUTER_CLOSERS = ("/invoke", "/tool_call")
STRAY_TEXT = "text stood between the parameters"


@dataclass(frozen=True)
class NestedTags:
    """`ns`: the token before every tag; `wrapper`: the name of the tag around all calls."""

    ns: str
    wrapper: str = "tool_call"
    separator: str = "\n"
    closers: tuple[str, ...] = ()

    @property
    def tag(self) -> Tag:
        """Any tag; its name holds the slash of a closer and the attributes."""
        return tag(f"{self.ns}<", ">")

    @property
    def markers(self) -> tuple[Tag, ...]:
        return (self.tag,)

    @property
    def openers(self) -> tuple[Tag, ...]:
        return (self.tag,)

    @property
    def brackets(self) -> tuple[str, str]:
        return f"{self.ns}<{self.wrapper}>\n", f"\n{self.ns}</{self.wrapper}>"

    def read(self, scan: Scan, way: FramedWay, wrapped: bool) -> Reading[None]:
        opener = yield from scan.marker(self.tag)
        if not opener or opener.name != self.wrapper:
            raise NotACall
        yield from self._call(scan)
        while (yield from self._another(scan)):
            yield from self._call(scan)

    def _another(self, scan: Scan) -> Reading[bool]:
        yield from scan.space()
        lexeme = yield from scan.peek()
        if lexeme.name != f"/{self.wrapper}":
            more = lexeme.marker is not None and bool(_INVOKE.fullmatch(lexeme.name))
            scan.repair(None if more else WRAPPER_NOT_CLOSED)
            return more
        scan.take()
        scan.settle()
        return False

    def _call(self, scan: Scan) -> Reading[None]:
        yield from scan.space()
        opener = yield from scan.marker(self.tag)
        found = _INVOKE.fullmatch(opener.name) if opener else None
        if not found:
            raise NotACall
        tool = scan.start(found.group(1))
        yield from _Body(scan, self.tag, tool.parameters).members(tool.parameters, "/invoke", 0)
        scan.complete()

    @property
    def begins(self) -> str:
        return self.ns

    def body_rule(self, writer: RuleWriter, tool: Tool) -> str:
        return call_rule(self.ns, writer, tool)


@dataclass(frozen=True)
class _Body:
    """The parameters of one call while they are read. `root`: the schema that references point into."""

    scan: Scan
    tag: Tag
    root: Mapping[str, Any]

    def members(self, schema: Any, closer: str, depth: int) -> Reading[None]:
        """Reads an object, up to its closer."""
        properties = schema.get("properties") if isinstance(schema, dict) else None
        declared = properties if isinstance(properties, dict) else {}
        given: set[str] = set()

        def begin(key: str) -> Any:
            self.scan.arguments(f'{", " if given else ""}"{quote(key)}": ')
            given.add(key)
            return declared.get(key, {} if depth else {"type": "string"})

        self.scan.arguments("{")
        yield from self._children(begin, closer, depth)
        self.scan.arguments("}")

    def items(self, schema: Any, closer: str, depth: int) -> Reading[None]:
        """Reads a list, up to its closer."""
        item = schema.get("items", {}) if isinstance(schema, dict) else {}
        commas = iter([""])

        def begin(key: str) -> Any:
            self.scan.arguments(next(commas, ", "))
            return item

        self.scan.arguments("[")
        yield from self._children(begin, closer, depth)
        self.scan.arguments("]")

    def _children(self, begin: Callable[[str], Any], closer: str, depth: int) -> Reading[None]:
        """Reads tags with their values. `begin`: writes what stands before a value, and returns its schema."""
        scan = self.scan
        while True:
            lexeme = yield from scan.peek()
            if lexeme is END or (lexeme.name.startswith("/") and lexeme.name != closer):
                scan.repair(NOT_CLOSED)
                return
            scan.take()
            if lexeme.marker is None:
                if scan.content(lexeme.text):
                    scan.repair(STRAY_TEXT)
            elif lexeme.name == closer:
                return
            else:
                scan.silence()
                schema = resolved(begin(lexeme.name), self.root)
                yield from self._value(schema, f"/{lexeme.name}", depth + 1)

    def _value(self, schema: Any, closer: str, depth: int) -> Reading[None]:
        types = types_of(schema, dict(self.root))
        lexeme = yield from self.scan.peek()
        nested = lexeme.marker is not None and not lexeme.name.startswith("/") and depth < _DEPTH_LIMIT
        if not nested or not types & _CONTAINERS:
            yield from self._text(types, closer)
        elif "array" in types and ("object" not in types or lexeme.name == "item"):
            yield from self.items(schema, closer, depth)
        else:
            yield from self.members(schema, closer, depth)

    def _text(self, types: frozenset[str], closer: str) -> Reading[None]:
        scan, writer, empty = self.scan, ValueWriter(types), True
        while True:
            lexeme = yield from scan.peek()
            if lexeme is END or lexeme.name in _OUTER_CLOSERS:
                scan.repair("a parameter was not closed")
                break
            text = scan.take().text
            if lexeme.name == closer:
                more = yield from self._past_closer()
                if more is None:
                    break
                text += more
            empty = False
            scan.arguments(writer.feed(text))
            scan.content(writer.surplus())
        if empty and types <= _CONTAINERS:
            scan.arguments("{}" if "object" in types else "[]")
        else:
            scan.arguments(writer.finish())
            scan.repair(writer.repaired)

    def _past_closer(self) -> Reading[str | None]:
        """None where the closer ended the value, else the white space behind it."""
        space = yield from self.scan.space()
        lexeme: Lexeme = yield from self.scan.peek()
        return None if lexeme is END or lexeme.marker else space
