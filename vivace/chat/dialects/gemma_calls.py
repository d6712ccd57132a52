"""Gemma's calls: `call:f{city:⟦quote⟧Paris⟦quote⟧,days:3}`, bare keys, strings as they are between two markers."""

import re
from dataclasses import dataclass

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.framed import FramedWay
from vivace.chat.dialects.gemma_grammar import GemmaRules
from vivace.chat.dialects.json_arguments import read_json
from vivace.chat.dialects.json_scanner import JsonScanner
from vivace.chat.dialects.lexer import Marker
from vivace.chat.dialects.reader import NotACall, Reading
from vivace.chat.dialects.scan import Scan

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
        yield from read_json(scan, way.stops, scan.arguments, JsonScanner(literal=True, bare=True), self.quote)
        scan.complete()

    @property
    def begins(self) -> str:
        return self.before

    def body_rule(self, writer: RuleWriter, tool: Tool) -> str:
        head = writer.text(f"{self.before}{tool.name}")
        return f"{head} {GemmaRules(writer, tool, self.quote).arguments()}"
