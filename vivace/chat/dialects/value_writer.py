"""Writes one raw value, in any pieces, as JSON of the type that the tool's schema declares."""

from typing import Literal

from vivace.chat.dialects.base import UNDECIDED_LIMIT
from vivace.chat.dialects.json_scanner import JsonScanner
from vivace.chat.dialects.values import could_be, quote, typed_json

SURPLUS = "text stood behind a value"
_CONTAINERS = {"{": "object", "[": "array"}
_NO_TEXT = " \t\r\n)]}"  # behind a list or an object: white space, and closers too many


class ValueWriter:
    """Strings, objects and lists are written at once, other types when they are complete.

    What may still be a string or a container waits until it can be only one of them: it is no container once it is
    neither JSON nor a Python literal. What is undecided after UNDECIDED_LIMIT characters is what it looks like.

    Attributes:
        repaired: why, if an object or a list was not written as it should be.
    """

    def __init__(self, types: frozenset[str]) -> None:
        self._types = types
        self._others = types - {"string"}
        self._kind: Literal["string", "container"] | None = None  # once it is certain
        self._waits = False  # for the end: nothing but the whole text says what it is
        self._held: list[str] = []
        self._size = 0
        self._blank = True  # only white space so far
        self._scanner: JsonScanner | None = None
        self._json: list[str] = []  # what a container would be, while the value may be a string
        self._surplus = ""
        self._is_last = True  # no text has come behind it
        self.repaired: str | None = None

    def feed(self, text: str) -> str:
        """The JSON that is certain now."""
        match self._kind:
            case "string":
                return quote(text)
            case "container":
                return self._scan(text)
        room = UNDECIDED_LIMIT - self._size
        written = self._take(text[:room])
        if len(text) <= room:
            return written
        return (written if self._kind else self._settle()) + self.feed(text[room:])

    def surplus(self) -> str:
        """Text behind a list or an object that was not drained yet: it is not part of the value."""
        surplus, self._surplus = self._surplus, ""
        return surplus

    def finish(self) -> str:
        """The rest of the value's JSON."""
        if self._kind == "string":
            return '"'
        if self._scanner is None:
            return typed_json("".join(self._held), self._types)
        if self._kind is None:
            return self._settle() if self._scanner.done else self._as_string() + '"'
        rest = self._scanner.finish()
        self.repaired = self._scanner.repaired or self.repaired
        return rest

    def _take(self, text: str) -> str:
        """More of a text of which it is open what it is."""
        self._held.append(text)
        self._size += len(text)
        if self._scanner:
            return self._weigh(text)
        self._blank = self._blank and not text.strip()
        if not self._others:
            return self._as_string()
        return "" if self._blank or self._waits else self._judge("".join(self._held))

    def _judge(self, so_far: str) -> str:
        beginning = so_far.lstrip()
        if _CONTAINERS.get(beginning[0]) in self._types:
            self._scanner = JsonScanner(literal=True)
            if "string" in self._types:
                return self._weigh(beginning)
            self._kind = "container"
            return self._scan(beginning)
        if "string" in self._types and not could_be(so_far, self._others):
            return self._as_string()
        self._waits = "string" not in self._types
        return ""

    def _weigh(self, text: str) -> str:
        """More of what is either a container or a string."""
        self._json.append(self._scan(text))
        return self._as_string() if self.repaired else ""

    def _settle(self) -> str:
        """It is what it looks like."""
        if self._scanner is None:
            return self._as_string()
        self._kind = "container"
        return "".join(self._json)

    def _as_string(self) -> str:
        self._kind, self._scanner, self._surplus, self.repaired = "string", None, "", None
        return '"' + quote("".join(self._held))

    def _scan(self, text: str) -> str:
        scanner = self._scanner
        assert scanner is not None
        written = ""
        if not scanner.done:
            written, used = scanner.feed(text)
            text = text[used:]
            self.repaired = scanner.repaired
        if scanner.done and text:
            self._pass(text)
        return written

    def _pass(self, text: str) -> None:
        """Text behind the container."""
        if text.strip():
            self.repaired = self.repaired or SURPLUS
        text = text.lstrip(_NO_TEXT) if self._is_last else text
        self._is_last = self._is_last and not text
        self._surplus += text
