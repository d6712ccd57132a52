"""Calls as JSON: `{"name": "f", "arguments": {…}}` or `{"f": {…}}`, alone, several in a row, or in a list.

Other names for the keys are understood (`parameters`, `tool_name`, …), and the nesting of OpenAI's API. Arguments that
come before the name wait for it.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from vivace.chat.conversation import JSON, Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.framed import FramedWay
from vivace.chat.dialects.json_arguments import read_arguments, read_json
from vivace.chat.dialects.json_scanner import MENDED
from vivace.chat.dialects.lexer import Marker
from vivace.chat.dialects.mixed_grammar import Found, head_rule
from vivace.chat.dialects.reader import END, NotACall, Reading
from vivace.chat.dialects.scan import Scan
from vivace.chat.dialects.ways import Where

_NAMES = frozenset({"name", "tool_name", "function", "tool", "function_name"})
_ARGUMENTS = frozenset({"arguments", "parameters", "args", "input", "tool_input"})
_OTHERS = frozenset({"type", "id", "tool_call_id", "call_id", "index"})


@dataclass(frozen=True)
class JsonCalls:
    """
    Attributes:
        name, arguments: the keys as the family writes them; without `name` the name itself is the key.
        call_id: the key of an id that is kept; `index`: of a number, as text, that the family writes before the name.
        before: texts and markers before the call, or before the list; they may be missing.
        listed: the family writes a list; `spread`: with each call on a line of its own.
        late: a call is certain only with its arguments: where no opener shows that a call was meant.
    """

    name: str = "name"
    arguments: str = "arguments"
    call_id: str = ""
    index: str = ""
    before: tuple[str, ...] = ()
    listed: bool = False
    spread: bool = False
    late: bool = False
    openers: tuple[Marker, ...] = ()
    closers: tuple[Marker, ...] = ()

    @property
    def markers(self) -> tuple[Marker, ...]:
        return tuple(part for part in self.before if part.strip())

    @property
    def brackets(self) -> tuple[str, str]:
        if not self.listed:
            return "", ""
        begin, end = ("[\n    ", "\n]") if self.spread else ("[", "]")
        return "".join(self.before) + begin, end

    @property
    def separator(self) -> str:
        if not self.listed:
            return ""
        return ",\n    " if self.spread else ", "

    def read(self, scan: Scan, way: FramedWay, wrapped: bool) -> Reading[None]:
        for marker in self.markers:
            yield from scan.space()
            yield from scan.marker(marker)
        yield from scan.space()
        listed = yield from scan.literal("[")
        scan.listed = scan.listed or listed
        more = True
        while more:
            yield from scan.space()
            if (yield from scan.char()) != "{":
                raise NotACall
            yield from _Call(self, scan, way.stops).read()
            more = yield from self._another(scan, listed)
        if listed:
            yield from self._end_list(scan)
        if way.closers:
            yield from self._drop_closers(scan)
        scan.rewind()

    def _another(self, scan: Scan, listed: bool) -> Reading[bool]:
        """Whether another call follows: behind a comma, a semicolon or nothing."""
        yield from scan.space()
        if not (yield from scan.literal(",")) and not listed:
            yield from scan.literal(";")
        yield from scan.space()
        more = (yield from scan.char()) == "{"
        if not more and not listed:
            scan.rewind()
        return more

    def _end_list(self, scan: Scan) -> Reading[None]:
        if (yield from scan.literal("]")):
            scan.settle()
        else:
            scan.repair(MENDED)

    def _drop_closers(self, scan: Scan) -> Reading[None]:
        """Brackets too many."""
        yield from scan.space()
        while (yield from scan.char()) in ("}", "]"):
            scan.take(1)
            scan.settle()
            scan.repair(MENDED)
            yield from scan.space()

    @property
    def begins(self) -> str:
        return "{" if self.listed else "".join(self.before) + "{"

    def body_rule(self, writer: RuleWriter, tool: Tool) -> str:
        if self.late:
            whole = self._schema(tool)
            return writer.json(whole, whole, inner=tool.parameters)
        parts = [writer.text("".join(self.before))] if self.before and not self.listed else []
        parts += self._head_rules(writer, json.dumps(tool.name, ensure_ascii=False))
        return " ".join([*parts, writer.json(tool.parameters, tool.parameters), writer.text("}")])

    def _head_rules(self, writer: RuleWriter, name: str) -> list[str]:
        if not self.name:
            return [writer.text(f"{{{name}: ")]
        member = f'"{self.name}": {name}, "{self.arguments}": '
        if not self.index:
            return [writer.text("{" + member)]
        return [writer.text(f'{{"{self.index}": "'), "/[0-9]{1,4}/", writer.text(f'", {member}')]

    def found_rule(self, writer: RuleWriter, tool: Tool, opening: str, where: Where) -> Found:
        """At the start of the answer."""
        name = json.dumps(tool.name, ensure_ascii=False)
        head = head_rule(writer, f'{self.brackets[0]}{{"{self.name}": {name}, "{self.arguments}":')
        arguments = writer.json(tool.parameters, tool.parameters)
        return Found(head, f"/[ \\n\\t]{{0,40}}/ {arguments} {writer.text('}')}")

    def _schema(self, tool: Tool) -> JSON:
        """Of the whole call: where it is an alternative to other JSON, both must be of the same lexemes."""
        properties = {self.name: {"const": tool.name}, self.arguments: _moved(tool.parameters, self.arguments)}
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _moved(node: Any, key: str) -> Any:
    """A schema that becomes a property: its references lead where they led."""
    if isinstance(node, list):
        return [_moved(each, key) for each in node]
    if not isinstance(node, dict):
        return node
    moved = {k: _moved(v, key) for k, v in node.items()}
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        moved["$ref"] = f"#/properties/{key}{reference[1:]}"
    return moved


@dataclass
class _Call:
    """One call object while it is read."""

    form: JsonCalls
    scan: Scan
    stops: frozenset[Marker]
    name: str = ""
    call_id: str | None = None
    waiting: list[str] = field(default_factory=list)  # arguments that came before the name
    has_arguments: bool = False
    begun: bool = False

    def read(self) -> Reading[None]:
        yield from self._object()
        scan = self.scan
        if not self.name or (self.form.late and not self.has_arguments):
            raise NotACall
        if not self.begun:
            self._start()
        if not scan.whole:
            scan.arguments("{}")
            scan.complete()
        scan.settle()

    def _object(self) -> Reading[None]:
        """From the opening brace to the closing one, or to where the call breaks off."""
        scan = self.scan
        scan.take(1)
        while True:
            yield from scan.space()
            lexeme = yield from scan.peek()
            if lexeme is END or lexeme.marker in self.stops:
                scan.repair(MENDED)
                return
            if (yield from scan.literal("}")):
                return
            if not (yield from scan.literal(",")):
                yield from self._member()

    def _member(self) -> Reading[None]:
        scan = self.scan
        key = yield from self._string()
        yield from scan.space()
        yield from scan.literal(":")
        yield from scan.space()
        char = yield from scan.char()
        if self.form.late and not self._plausible(key):
            raise NotACall
        if not self.form.name and key in scan.tools:
            self.name, self.begun = key, False
            yield from self._arguments()
        elif key == "function" and char == "{":
            yield from self._object()
        elif key in _NAMES and char in ("'", '"') and not self.name:
            self.name = yield from self._string()
            if self.form.late and not scan.listed and self.name not in scan.tools:
                raise NotACall
            if not self.form.late or self.waiting:
                self._start()
        elif key in _ARGUMENTS and not self.has_arguments:
            yield from self._arguments()
        elif key == self.form.call_id and char in ("'", '"'):
            self.call_id = yield from self._string()
        else:
            yield from self._skip()

    def _plausible(self, key: str) -> bool:
        """Whether JSON with this key may still be a call, though no opener says so."""
        return self.name in self.scan.tools or key in _NAMES | _ARGUMENTS | _OTHERS

    def _string(self) -> Reading[str]:
        """A key or a name; what is no string is no call."""
        if (yield from self.scan.char()) not in ("'", '"'):
            raise NotACall
        parts: list[str] = []
        yield from read_json(self.scan, self.stops, parts.append)
        if (yield from self.scan.peek()) is END:
            raise NotACall  # nobody knows whether it is whole
        return str(json.loads("".join(parts)))

    def _skip(self) -> Reading[None]:
        before = yield from self.scan.peek()
        parts: list[str] = []
        yield from read_json(self.scan, self.stops, parts.append)
        if (yield from self.scan.peek()) is before:
            self.scan.take(1)  # no value at all: a bracket of the wrong kind

    def _start(self) -> None:
        scan = self.scan
        scan.start(self.name, self.call_id)
        self.begun = True
        if self.waiting:
            scan.arguments("".join(self.waiting))
            scan.complete()

    def _arguments(self) -> Reading[None]:
        self.has_arguments = True
        if self.name and not self.begun:
            self._start()
        if not self.name:
            yield from read_arguments(self.scan, self.stops, self.waiting.append)
            return
        yield from read_arguments(self.scan, self.stops, self.scan.arguments)
        self.scan.complete()
