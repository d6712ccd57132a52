"""Patterns of JSON Schema (ECMA-262, found anywhere in a text) as lark terminals that whole texts have to match.

What the automata of llguidance do not have is not said: back references, word boundaries, and lookarounds other than
lookaheads at the beginning of an anchored pattern. Classes are ASCII, as without ECMA's `u` flag.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from vivace.chat.schemas.patterns import LOOKAHEADS, STEP, closing, split_alternatives
from vivace.chat.schemas.probe import knows_terminal

ANY = "/(?s:.*)/"
NOTHING = "(/a/ & /b/)"
# What is negated has to be known as empty at once: with `(?s:.*)`, texts that are no UTF-8 would remain, and llguidance
# would search the rest of the expression for them until it gives up.
BYTES = f"(~{NOTHING})"
_SPACES = r"\t-\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}"
_CLASSES = {"d": "[0-9]", "D": "[^0-9]", "w": "[0-9A-Za-z_]", "W": "[^0-9A-Za-z_]"} | {
    "s": f"[{_SPACES}]",
    "S": rf"[^{_SPACES}\x1c-\x1f\u{{85}}\u{{feff}}]",
}
_DOT = r"[^\n\r\u{2028}\u{2029}]"
_ESCAPES = {c: "\\" + c for c in "tnrvf"} | {"0": r"\x00"}
_NAMED_GROUP = re.compile(r"\(\?<([A-Za-z_$][\w$]*)>")
_QUANTIFIER = re.compile(r"[*+?]|\{\d+(,\d*)?\}")
_CODE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|c([A-Za-z]))")
_PROPERTY = re.compile(r"\\[pP](\{[\w=]+\}|[A-Z])")


class _Unsaid(Exception):  # noqa: N818 - a turn of events, no error
    """The pattern has something that automata have not."""


@lru_cache(1024)
def terminal(pattern: str) -> str | None:
    """A lark expression for the texts in which the pattern is found; None if there is no saying it."""
    try:
        found = _alternatives(pattern, anchored=False)
    except _Unsaid:
        return None
    return found if knows_terminal(found) else None


def _alternatives(pattern: str, anchored: bool, negated: bool = False) -> str:
    """`anchored`: a text has to begin with the pattern; `negated`: the expression will be."""
    options = [_alternative(each, anchored, negated) for each in split_alternatives(pattern)]
    return options[0] if len(options) == 1 else f"({' | '.join(options)})"


def _alternative(pattern: str, anchored: bool, negated: bool) -> str:
    begins = anchored or pattern.startswith("^")
    rest = pattern.removeprefix("^")
    parts = []
    while begins and rest.startswith(LOOKAHEADS):
        end = closing(rest)
        if end is None:
            raise _Unsaid
        is_negative = rest.startswith("(?!")
        found = _alternatives(rest[3:end], anchored=True, negated=negated != is_negative)
        parts.append(f"~{found}" if is_negative else found)
        rest = rest[end + 1 :]
    ends = rest.endswith("$") and not _is_escaped(rest)
    whole = _found(_translated(rest[:-1] if ends else rest), begins, ends, negated)
    return f"({' & '.join([whole, *parts])})" if parts else whole


def _found(pattern: str, begins: bool, ends: bool, negated: bool) -> str:
    """Texts with the pattern in them."""
    if negated:
        parts = ["" if begins else BYTES, f"/(?:{pattern})/", "" if ends else BYTES]
        return f"({' '.join(filter(None, parts))})"
    before, behind = "" if begins else "(?s:.*)", "" if ends else "(?s:.*)"
    return f"/{before}(?:{pattern}){behind}/"


def _is_escaped(pattern: str) -> bool:
    """Whether the last character has a backslash before it, or stands in a class."""
    return bool(STEP.findall(pattern)[-1] != "$")


def _translated(pattern: str) -> str:
    """The pattern without anchors in the syntax of Rust's regex, to stand between slashes."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        at = _step(pattern, at, out)
    return "".join(out)


def _step(pattern: str, at: int, out: list[str]) -> int:
    char = pattern[at]
    quantifier, group = _QUANTIFIER.match(pattern, at), _NAMED_GROUP.match(pattern, at)
    if quantifier:
        out.append(quantifier.group())
        end = quantifier.end()
        return end + (pattern[end : end + 1] == "?")  # how eager it is changes nothing
    if char == "\\":
        code, end = _escape(pattern, at)
        out.append(code)
        return end
    if char == "[":
        return _class(pattern, at, out)
    if group or pattern.startswith("(?:", at):
        out.append("(?:")
        return group.end() if group else at + 3
    if char in "^$" or pattern.startswith("(?", at):
        raise _Unsaid
    out.append({"(": "(?:", ".": _DOT}.get(char) or (char if char in ")|" else _literal(char)))
    return at + 1


def _class(pattern: str, at: int, out: list[str]) -> int:
    """A class of characters. In Rust's syntax brackets, `&&`, `--` and `~~` mean something within it."""
    inside = at + 1 + pattern.startswith("^", at + 1)
    items: list[str] = []
    end = inside
    while pattern[end : end + 1] != "]":
        if end >= len(pattern):
            raise _Unsaid
        if pattern[end] == "\\":
            item, end = _escape(pattern, end, in_class=True)
        else:
            item, end = pattern[end] if pattern[end] == "-" else _literal(pattern[end]), end + 1
        items.append(item)
    negated = inside > at + 1
    if items:
        out.append(f"[{'^' * negated}{''.join(_members(items))}]")
    else:
        out.append("(?s:.)" if negated else "[^\\x{0}-\\x{10ffff}]")
    return end + 1


def _members(items: list[str]) -> Iterator[str]:
    """A dash between two characters makes them a range, any other is one itself."""
    at = 0
    while at < len(items):
        first, *behind = items[at : at + 3]
        if len(behind) == 2 and behind[0] == "-" and not any(map(_is_class, (first, behind[1]))):
            yield f"{_member(first)}-{_member(behind[1])}"
            at += 3
        else:
            yield _member(first)
            at += 1


def _is_class(item: str) -> bool:
    return item.startswith(("[", "\\p", "\\P"))


def _member(item: str) -> str:
    return r"\-" if item == "-" else item


def _escape(pattern: str, at: int, in_class: bool = False) -> tuple[str, int]:
    """What a backslash and what follows it mean, and where that ends."""
    code, named = _CODE.match(pattern, at), _PROPERTY.match(pattern, at)
    if code:
        return _code_point(pattern, code)
    if named:
        return named.group(), named.end()
    char = pattern[at + 1 : at + 2]
    if char in _CLASSES:
        return _CLASSES[char], at + 2
    if in_class and char == "b":
        return r"\x08", at + 2
    if char in _ESCAPES and not (char == "0" and pattern[at + 2 : at + 3].isdigit()):
        return _ESCAPES[char], at + 2
    if not char or char.isalnum():
        raise _Unsaid
    return _literal(char), at + 2


def _code_point(pattern: str, found: re.Match[str]) -> tuple[str, int]:
    hexadecimal, control = found.group(1) or found.group(2) or found.group(3), found.group(4)
    value, end = ord(control) % 32 if control else int(hexadecimal, 16), found.end()
    low = _CODE.match(pattern, end)
    if 0xD800 <= value < 0xDC00 and low and low.group(2):
        value, end = 0x10000 + (value - 0xD800) * 0x400 + int(low.group(2), 16) - 0xDC00, low.end()
    if 0xD800 <= value < 0xE000 or value > 0x10FFFF:
        raise _Unsaid
    return f"\\u{{{value:x}}}", end


def _literal(char: str) -> str:
    """One character that means itself."""
    return char if char.isalnum() or char in " _<>=!@\"'%:;,`" else f"\\u{{{ord(char):x}}}"
