"""Arguments in JSON whose strings should be something else: "3" where the schema wants an integer becomes 3.

Reads the JSON as it is written (valid, in any pieces) beside the schema. A string whose schema knows no strings is held
back until it ends; if it reads as one of the types that the schema knows, that is written, else the string as it was.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from vivace.chat.conversation import JSON, Tool
from vivace.chat.dialects.base import UNDECIDED_LIMIT
from vivace.chat.dialects.values import ANY, resolved, typed_json, types_of

COERCED = "a string stood where the schema has another type"
_OUTSIDE = re.compile(r'[^"{}\[\],:]+')
_INSIDE = re.compile(r'[^"\\]+')


class Coercion:
    """`repaired`: why, once a value has been changed."""

    def __init__(self, root: JSON) -> None:
        self.repaired: str | None = None
        self._root = root
        self._schemas: list[Any] = [root]  # of the value that comes next, within those around it
        self._keys: list[bool] = []  # for each container around: it is an object
        self._expects_key = False
        self._string: list[str] | None = None  # what is held of a key or of a value to be changed
        self._in_string = self._escaped = self._is_key = False
        self._size = 0

    @classmethod
    def of(cls, tool: Tool) -> "Coercion | None":
        """None if nothing in the schema could ask for it."""
        return cls(tool.parameters) if _may_apply(tool.parameters, tool.parameters) else None

    def feed(self, text: str) -> str:
        """The JSON that is certain now."""
        out: list[str] = []
        at = 0
        while at < len(text):
            at = self._inside(text, at, out) if self._in_string else self._outside(text, at, out)
        return "".join(out)

    def _outside(self, text: str, at: int, out: list[str]) -> int:
        run = _OUTSIDE.match(text, at)
        if run:
            out.append(run.group())
            return run.end()
        char = text[at]
        match char:
            case '"':
                self._begin_string()
            case "{" | "[":
                self._keys.append(char == "{")
                self._expects_key = char == "{"
                self._schemas.append(None if char == "{" else _items(self._schemas[-1], self._root))
            case "}" | "]":
                self._keys.pop()
                self._schemas.pop()
            case ",":
                self._expects_key = bool(self._keys) and self._keys[-1]
        if char != '"' or self._string is None or self._is_key:
            out.append(char)
        return at + 1

    def _begin_string(self) -> None:
        self._in_string, self._is_key, self._expects_key = True, self._expects_key, False
        wanted = self._is_key or "string" not in _types(self._schemas[-1], self._root)
        self._string, self._size = [] if wanted else None, 0

    def _inside(self, text: str, at: int, out: list[str]) -> int:
        run = _INSIDE.match(text, at)
        end = run.end() if run and not self._escaped else at + 1
        part = text[at:end]
        ends = part == '"' and not self._escaped
        self._escaped = part == "\\" and not self._escaped
        if self._is_key or self._string is None:
            out.append(part)
        if ends:
            self._end_string(out)
        elif self._string is not None:
            self._hold(part, out)
        return end

    def _hold(self, part: str, out: list[str]) -> None:
        assert self._string is not None
        self._string.append(part)
        self._size += len(part)
        if self._size > UNDECIDED_LIMIT:
            if not self._is_key:
                out.append('"' + "".join(self._string))
            self._string = None

    def _end_string(self, out: list[str]) -> None:
        self._in_string = False
        held, self._string = self._string, None
        if self._is_key:
            key = json.loads(f'"{"".join(held)}"') if held is not None else ""
            self._schemas[-1] = _property(self._schemas[-2], key, self._root)
        elif held is not None:
            out.append(self._changed("".join(held)))

    def _changed(self, inside: str) -> str:
        value = typed_json(json.loads(f'"{inside}"'), _types(self._schemas[-1], self._root))
        if value.startswith('"'):
            return f'"{inside}"'
        self.repaired = COERCED
        return value


def _types(schema: Any, root: JSON) -> frozenset[str]:
    return types_of(schema, root) if isinstance(schema, dict) else ANY


def _property(schema: Any, key: str, root: JSON) -> Any:
    schema = resolved(schema, root)
    if not isinstance(schema, dict):
        return None
    properties = schema.get("properties")
    if isinstance(properties, dict) and key in properties:
        return properties[key]
    return schema.get("additionalProperties")


def _items(schema: Any, root: JSON) -> Any:
    schema = resolved(schema, root)
    return schema.get("items") if isinstance(schema, dict) else None


def _may_apply(schema: Any, root: JSON, depth: int = 0) -> bool:
    """Whether some property or item below is no string."""
    schema = resolved(schema, root)
    if not isinstance(schema, dict) or depth > 8:
        return False
    parts: Sequence[Any] = [schema.get("items"), schema.get("additionalProperties")]
    properties = schema.get("properties")
    parts = [*parts, *(properties.values() if isinstance(properties, dict) else ())]
    return any("string" not in _types(part, root) or _may_apply(part, root, depth + 1) for part in parts)
