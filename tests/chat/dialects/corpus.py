"""Degraded outputs: right ones of every family, corrupted one way each, with what a careful reader makes of them.

`calls` is that reading; None where there is none that everybody would share: then anything between text and the call
as far as it was written is right. `meant` is what stood there before the corruption.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.chat.builders import tool
from tests.chat.dialects.families import FAMILIES, OFFERED, REASONING, Call, dumped, plain
from vivace.chat.conversation import Tool
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS
from vivace.chat.dialects.answer import AnswerParser
from vivace.chat.dialects.base import Piece
from vivace.chat.dialects.framed import FramedDialect, FramedWay
from vivace.chat.dialects.gemma_calls import GemmaCalls
from vivace.chat.dialects.lexer import Tag
from vivace.chat.dialects.parse import fold
from vivace.chat.dialects.tagged import TaggedCalls

NOTE = tool("note", "title", title={"type": "string"}, text={"type": "string"}, tags={"type": "array"})
TOOLS: tuple[Tool, ...] = (*OFFERED, NOTE)

PARIS: Call = ("get_weather", {"city": "Paris"})
ROME: Call = ("get_weather", {"city": "Rome", "days": 3})
LINES: Call = ("note", {"title": "To do", "text": "- buy milk\n- call Ann\n"})
HOSTILE: Call = ("note", {"title": 'Say "hi", then }', "text": "a </x> b ], {\"k\": 'v'} </tool_call>, 50% \\ (c)"})
TYPED: Call = ("typed", {"i": 3, "b": True, "o": {"k": [1, None, False]}, "s": "plain"})


@dataclass(frozen=True)
class Degraded:
    family: str
    corruption: str
    text: str
    meant: tuple[Call, ...]
    calls: tuple[Call, ...] | None
    must_call: bool = False
    reasoning: str = "none"


def corpus() -> list[Degraded]:
    """All of it, always in the same order; no two alike."""
    found = [case for family in FAMILIES for corrupt in CORRUPTIONS for case in corrupt(family)]
    return list({(c.family, c.corruption, c.text, c.must_call): c for c in found}.values())


def rendered(family: str, *calls: Call) -> str:
    return plain(FAMILIES[family].render(calls))


def way(family: str) -> FramedWay | None:
    """How the family writes calls first of all."""
    dialect = TOOL_DIALECTS[family]
    return dialect.ways[0] if isinstance(dialect, FramedDialect) else None


def _case(
    family: str, corruption: str, text: str, *meant: Call, calls: tuple[Call, ...] | None = None, **more: Any
) -> Degraded:
    more.setdefault("reasoning", _reasoning(family))
    return Degraded(family, corruption, text, meant, meant if calls is None else calls, **more)


def _ambiguous(family: str, corruption: str, text: str, *meant: Call) -> Degraded:
    return Degraded(family, corruption, text, meant, None, reasoning=_reasoning(family))


def _reasoning(family: str) -> str:
    """The reasoning dialect without which the family's calls cannot be read."""
    return getattr(FAMILIES[family], "reasoning", "none")


# What is missing


def truncated(family: str) -> Iterator[Degraded]:
    """Cut at each byte. The reading is certain where all values are whole, and none where one is cut."""
    text = rendered(family, PARIS)
    certain = _end_of_value(family, text, "Paris")
    for end in range(1, len(text)):
        if end >= certain:
            yield _case(family, "truncated", text[:end], PARIS)
        else:
            yield _ambiguous(family, "truncated", text[:end], PARIS)


def _end_of_value(family: str, text: str, value: str) -> int:
    """Behind the delimiter that ends the value."""
    at = text.rindex(value) + len(value)
    form = getattr(way(family), "form", None)
    match form:
        case TaggedCalls():
            return text.index(form.parameter_close, at) + len(form.parameter_close)
        case GemmaCalls():
            return at + len(form.quote)
    return len(text) if FAMILIES[family].raw else at + 1


def _frame(family: str, *names: str) -> list[str]:
    frame = getattr(way(family), "frame", None)
    return [getattr(frame, name) for name in names if getattr(frame, name, "")]


def closers_dropped(family: str) -> Iterator[Degraded]:
    for call in (PARIS, LINES, TYPED):
        text = rendered(family, call)
        closers = [m for m in _frame(family, "close", "call_close") if m in text]
        for closer in closers:
            yield _case(family, "closer dropped", _without(text, [closer]), call)
        if len(closers) > 1:
            yield _case(family, "closer dropped", _without(text, closers), call)
    text = rendered(family, PARIS, ROME)
    for closer in _frame(family, "call_close"):
        if text.count(closer) > 1:
            yield _case(family, "closer dropped", text.replace(closer, "", 1), PARIS, ROME)


def wrapper_missing(family: str) -> Iterator[Degraded]:
    for call in (PARIS, LINES, TYPED, HOSTILE):
        text = rendered(family, call)
        openers = [m for m in _frame(family, "open", "call_open") if m in text]
        closers = [m for m in _frame(family, "close", "call_close") if m in text]
        if openers and not text.replace(openers[0], "", 1).strip().startswith("```"):
            text = text.replace(openers[0], "", 1)
            yield _case(family, "wrapper missing", text.strip(), call)
            text = _without(text, closers)
            for opener in openers[1:]:
                text = text.replace(opener, "", 1)
            yield _case(family, "wrapper missing", text.strip(), call)


def _without(text: str, closers: list[str]) -> str:
    for closer in closers:
        text = "".join(text.rsplit(closer, 1))
    return text


def bracket_missing(family: str) -> Iterator[Degraded]:
    for call in (PARIS, ROME, TYPED):
        text = rendered(family, call)
        for bracket in "}])":
            at = text.rfind(bracket)
            if at > text.rfind(str(list(call[1].values())[-1])) >= 0:
                yield _case(family, "bracket missing", text[:at] + text[at + 1 :], call)
                yield _case(family, "bracket missing", text[:at], call)


# How the arguments are written


def _rewritten(
    corruption: str, change: Callable[[str, Mapping[str, Any]], str], *calls: Call
) -> Callable[[str], Iterator[Degraded]]:
    """The arguments' JSON, where the family writes one, changed."""

    def corrupt(family: str) -> Iterator[Degraded]:
        for call in calls:
            text, given = rendered(family, call), dumped(call[1])
            changed = change(given, call[1])
            if given in text and changed != given:
                yield _case(family, corruption, text.replace(given, changed), call)

    return corrupt


quotes_swapped = _rewritten("quotes swapped", lambda given, _: given.replace('"', "'"), PARIS, ROME, LINES, TYPED)
python_literals = _rewritten("Python literals", lambda _, call: repr(call), PARIS, LINES, TYPED, HOSTILE)
comma_added = _rewritten("comma added", lambda given, _: re.sub(r"([}\]])", r",\1", given), PARIS, ROME, LINES, TYPED)
comma_missing = _rewritten("comma missing", lambda given, _: given.replace('", "', '" "'), LINES, ROME)
newlines_raw = _rewritten("newlines not escaped", lambda given, _: given.replace("\\n", "\n"), LINES)
encoded_twice = _rewritten("encoded twice", lambda given, _: dumped(given), PARIS, ROME, LINES, TYPED, HOSTILE)
numbers_quoted = _rewritten("numbers quoted", lambda given, _: given.replace(": 3", ': "3"'), ROME, TYPED)
keys_bare = _rewritten("keys not quoted", lambda given, _: re.sub(r'"(\w+)": ', r"\1: ", given), PARIS, ROME, TYPED)


def all_quotes_swapped(family: str) -> Iterator[Degraded]:
    """Those of names and keys too."""
    for call in (PARIS, ROME):
        text = rendered(family, call)
        for one, other in ("\"'", "'\""):
            if f"{one}Paris{one}" in text or f"{one}Rome{one}" in text:
                yield _case(family, "quotes swapped", text.replace(one, other), call)


def python_values(family: str) -> Iterator[Degraded]:
    """In families that write values without quotes."""
    text = rendered(family, TYPED)
    if isinstance(getattr(way(family), "form", None), TaggedCalls):
        changed = re.sub(r"(?<=[>\n])true(?=[<\n\]])", "True", text).replace(dumped(TYPED[1]["o"]), repr(TYPED[1]["o"]))
        yield _case(family, "Python literals", changed, TYPED)


def other_commas(family: str) -> Iterator[Degraded]:
    """In lists of Pythonic calls and of JSON."""
    for call in (PARIS, ROME, TYPED):
        text = rendered(family, call)
        for before, after in ((")]", ",)]"), ("}]", "},]")):
            if before in text:
                yield _case(family, "comma added", text.replace(before, after), call)


# Where it stands


def another_family(family: str) -> Iterator[Degraded]:
    for other in FAMILIES:
        if other != family and _reasoning(other) == "none":
            yield _case(family, "another family's form", rendered(other, PARIS), PARIS)
            yield _case(family, "another family's form", rendered(other, ROME, LINES), ROME, LINES)
            yield _case(family, "another family's form", rendered(other, TYPED), TYPED)
            if not FAMILIES[other].raw:
                yield _case(family, "another family's form", f"\n{rendered(other, HOSTILE, PARIS)}\n", HOSTILE, PARIS)


def two_at_once(family: str) -> Iterator[Degraded]:
    """Another family's form, and that degraded."""
    for other in FAMILIES:
        for corrupt in (quotes_swapped, comma_added, encoded_twice, bracket_missing, closers_dropped):
            for case in corrupt(other) if other != family and _reasoning(other) == "none" else ():
                if len(case.meant) == 1:
                    yield _case(family, "two at once", case.text, *case.meant)


def another_wrapper(family: str) -> Iterator[Degraded]:
    """JSON between another family's markers."""
    body = dumped({"name": PARIS[0], "arguments": PARIS[1]})
    for other in FAMILIES:
        begin, end = "".join(_frame(other, "open", "call_open")), "".join(_frame(other, "call_close", "close"))
        if begin and other != family:
            yield _case(family, "another family's wrapper", f"{begin}\n{body}\n{end}", PARIS)


def as_text(family: str) -> Iterator[Degraded]:
    name, given = ROME
    arguments = dumped(given)
    for text in (
        f"[Calling tool: {name}({arguments})]",
        f"I look it up.\n\n[Calling tool: {name}({arguments})]",
        f"{name}({arguments})",
        f"{name}(city='Rome', days=3)",
        f"functions.{name}({arguments})",
        f"{name} {arguments}",
        f"Action: {name}\nAction Input: {arguments}",
        f"<function_call>{dumped({'name': name, 'arguments': given})}</function_call>",
        dumped({"name": name, "arguments": given}),
        dumped([{"name": name, "arguments": given}]),
        dumped({"type": "function", "function": {"name": name, "parameters": given}}),
    ):
        yield _case(family, "as text", text, ROME)


def fenced(family: str) -> Iterator[Degraded]:
    """A call where the client asks for one, else an example."""
    bare = dumped({"name": ROME[0], "arguments": ROME[1]})
    listed = dumped([{"name": name, "arguments": given} for name, given in (PARIS, HOSTILE)])
    yield _case(family, "code fence", f"```json\n{listed}\n```", PARIS, HOSTILE, must_call=True)
    for text in (
        f"```json\n{bare}\n```",
        f"Here it is:\n\n```json\n{bare}\n```\n",
        f"```\n{rendered(family, ROME)}\n```",
    ):
        yield _case(family, "code fence", text, ROME, must_call=True)
        if not any("```" in marker for marker in _markers(family)):
            yield _case(family, "code fence", text, ROME, calls=())


def in_reasoning(family: str) -> Iterator[Degraded]:
    if family in REASONING:
        return
    for call in (PARIS, LINES):
        text = f"<think>\nI need a tool.\n{rendered(family, call)}\n</think>\n\n"
        if TOOL_DIALECTS[family].trigger:
            yield _case(family, "in the reasoning", text, call, reasoning="think")


# What is no call


def undeclared(family: str) -> Iterator[Degraded]:
    call: Call = ("rm_rf", {"path": "/"})
    text = rendered(family, call)
    for changed in (text, text.replace('"', "'"), text[: len(text) * 3 // 4], text.strip("}])>")):
        yield _case(family, "undeclared name", changed, call, calls=())


def explained(family: str) -> Iterator[Degraded]:
    text = rendered(family, PARIS)
    if "\n" not in text:
        yield _case(family, "explained", f"This model writes `{text}` to call.", PARIS, calls=())
    yield _case(family, "explained", f"This model writes:\n\n```\n{text}\n```\n\nThat is all.", PARIS, calls=())
    for marker in _markers(family):
        yield _case(family, "explained", f"The marker {marker} comes before get_weather.", PARIS, calls=())
        yield _case(family, "explained", f"Calls look like this:\n\n{marker} get_weather is called.", PARIS, calls=())
        yield _case(family, "explained", f"{marker}\nget_weather(city) is what it calls, {{}} none.", PARIS, calls=())


def _markers(family: str) -> list[str]:
    found = [m for way in getattr(TOOL_DIALECTS[family], "ways", ()) for m in way.markers]
    return [f"{m.prefix}get_weather{m.suffixes[0]}" if isinstance(m, Tag) else m for m in found]


CORRUPTIONS: tuple[Callable[[str], Iterator[Degraded]], ...] = (
    truncated,
    closers_dropped,
    wrapper_missing,
    bracket_missing,
    quotes_swapped,
    all_quotes_swapped,
    python_literals,
    python_values,
    comma_added,
    other_commas,
    comma_missing,
    newlines_raw,
    encoded_twice,
    numbers_quoted,
    keys_bare,
    another_family,
    another_wrapper,
    two_at_once,
    as_text,
    fenced,
    in_reasoning,
    undeclared,
    explained,
)


# Judging


def read(case: Degraded, size: int = 1_000_000) -> list[Call]:
    """The calls that our parser finds in pieces of `size` characters."""
    answer = AnswerParser(
        TOOL_DIALECTS[case.family], REASONING_DIALECTS[case.reasoning], TOOLS, False, frozenset(), case.must_call
    )
    pieces = [Piece(case.text[at : at + size]) for at in range(0, len(case.text), size)]
    found = fold([event for piece in pieces for event in answer.feed(piece)] + answer.finish())["tool_calls"]
    return [(call["name"], json.loads(call["arguments"])) for call in found]


def is_wrong(case: Degraded, found: list[Call]) -> bool:
    """A call that is not what was meant, or was not to be called; a missing one is not wrong."""
    if case.calls is not None:
        return found not in ([], list(case.calls)) and not _in_order(found, case.calls)
    return len(found) > len(case.meant) or not all(map(_is_beginning, found, case.meant))


def _in_order(found: list[Call], wanted: tuple[Call, ...]) -> bool:
    rest = iter(wanted)
    return all(any(call == other for other in rest) for call in found)


def _is_beginning(found: Any, meant: Any) -> bool:
    """`found` is `meant` as far as it was written."""
    if isinstance(meant, dict) and isinstance(found, dict):
        keys = list(found)
        whole = all(found[k] == meant.get(k) for k in keys[:-1])
        return whole and all(k in meant and _is_beginning(found[k], meant[k]) for k in keys[-1:])
    if isinstance(meant, tuple) and isinstance(found, tuple):
        return found[0] == meant[0] and _is_beginning(found[1], meant[1])
    if isinstance(meant, str) and isinstance(found, str):
        return meant.startswith(found)
    return bool(found == meant)
