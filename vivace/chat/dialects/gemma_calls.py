"""Gemma's calls: `call:f{city:⟦quote⟧Paris⟦quote⟧,days:3}`, bare keys, strings as they are between two markers."""

import re
from dataclasses import dataclass

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.framed import FramedWay
from vivace.chat.dialects.json_arguments import read_json
from vivace.chat.dialects.json_scanner import JsonScanner
from vivace.chat.dialects.lexer import Marker
from vivace.chat.dialects.scan import NotACall, Reading, Scan
from vivace.chat.dialects.tagged_grammar import properties, string_rule
from vivace.chat.dialects.values import types_of

_NAME_END = re.compile(r"[^\w.\-]")


@dataclass(frozen=True)
class GemmaCalls:
    """`quote`: the marker around strings; `before`: what stands before the name."""

    quote: str
    before: str = "call:"
    separator: str = ""
    brackets: tuple[str, str] = ("", "")
    openers: tuple[Marker, ...] = ()
    closers: tuple[Marker, ...] = ()

    @property
    def markers(self) -> tuple[Marker, ...]:
        return (self.quote,)

    def read(self, scan: Scan, way: FramedWay, wrapped: bool) -> Reading[None]:
        yield from scan.space()
        yield from scan.literal(self.before)
        name = yield from scan.until(_NAME_END)
        if (yield from scan.char()) != "{":
            raise NotACall
        scan.start(name)
        yield from read_json(scan, way.stops, scan.arguments, JsonScanner(literal=True), self.quote)
        scan.complete()

    def body_rule(self, writer: RuleWriter, tool: Tool, exact: bool) -> str:
        """Keys in alphabetical order, as the template writes them; without `exact` too, since the form has no other."""
        keys = sorted(properties(tool))
        required = [k for k in keys if k in tool.parameters.get("required", ())]
        optional = [k for k in keys if k not in required]
        head = writer.text(f"{self.before}{tool.name}{{")
        body = _members(
            [self._member(writer, tool, key) for key in required], [self._member(writer, tool, key) for key in optional]
        )
        return " ".join([head, *body, writer.text("}")])

    def _member(self, writer: RuleWriter, tool: Tool, key: str) -> str:
        return writer.rule("member", f"{writer.text(f'{key}:')} {self._value(writer, tool, key)}")

    def _value(self, writer: RuleWriter, tool: Tool, key: str) -> str:
        schema = properties(tool)[key]
        if "string" in types_of(schema, tool.parameters):
            return string_rule(writer, f"{tool.name}.{key}", schema, self.quote, self.quote)
        if types_of(schema, tool.parameters) & {"object", "array"}:
            writer.relax(f"{tool.name}.{key}: what objects and arrays hold is not enforced")
            return writer.rule("nested", "/[\\[{](?s:.*)/")
        return writer.json(schema, tool.parameters)


def _members(required: list[str], optional: list[str]) -> list[str]:
    """Members with commas between them; the optional ones behind the others."""
    if not required:
        options = [" ".join([m, *(f'("," {later})?' for later in optional[i + 1 :])]) for i, m in enumerate(optional)]
        return [f"({' | '.join(options)})?"] if options else []
    return ['"," '.join(f"{m} " for m in required), *(f'("," {m})?' for m in optional)]
