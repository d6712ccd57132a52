"""Calls that the family does not write, where the declared tools leave one reading.

What a family's own parser takes for text goes on to a second one, which knows: the family's own calls without their
wrapper, the ways of all other families, and texts that models write in place of calls. Each of its calls is marked
as repaired, and says why. (What is wrong within a call, its own parser mends: `Scan.repair`.)

So that prose about calls stays text, an opener counts here only at the start of a line outside code, and a call without
an opener only at the start of the answer or behind another call.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from string import ascii_letters

from vivace.chat.conversation import Tool
from vivace.chat.dialects import TOOL_DIALECTS
from vivace.chat.dialects.base import ToolDialect, ToolParser
from vivace.chat.dialects.calls import CallParser
from vivace.chat.dialects.framed import NO_WRAPPER, Form, Frame, FramedDialect, FramedWay
from vivace.chat.dialects.gemma_calls import GemmaCalls
from vivace.chat.dialects.header_calls import HeaderCalls
from vivace.chat.dialects.json_calls import JsonCalls
from vivace.chat.dialects.pythonic import PythonicCalls
from vivace.chat.dialects.tagged import TaggedCalls
from vivace.chat.dialects.text_calls import TextCalls
from vivace.chat.dialects.ways import WayTable

AS_TEXT = "the call was written as text"
BODY = "the call was written in another form than its markers announce"
FENCED = "the call stood in a code fence"
_NAMES = ascii_letters + "_"
_TEXT_OPENERS = ("[Calling tool:", "[Calling function:", "[Calling:", "[Tool call:", "[Called tool:", "[tool_call:")
_JSON_WRAPPERS = (
    ("<tool_calls>", "</tool_calls>"),
    ("<function_call>", "</function_call>"),
    ("<function_calls>", "</function_calls>"),
    ("<tools>", "</tools>"),
    ("<tool>", "</tool>"),
)
_FENCES = ("```json", "```tool_call", "```tool_code", "```")


def with_repair(dialect: ToolDialect, tools: Sequence[Tool], tokens: frozenset[str], must_call: bool) -> ToolParser:
    """A parser for one answer. `must_call`: the client has asked for a call, so that one in a code fence is meant."""
    parser = dialect.parser(tools, tokens)
    if isinstance(parser, CallParser) and tools:
        parser.hand_on(CallParser(_table(dialect.name, must_call), tools, tokens, parser.new_id))
    return parser


@lru_cache(maxsize=128)
def _table(family: str, must_call: bool) -> WayTable:
    dialect = TOOL_DIALECTS[family]
    own = dialect.ways if isinstance(dialect, FramedDialect) else ()
    bodies = [body for way in own for body in _bodies(way)]
    bare = [way for way in own if way.frame.starts]
    ways = [*bare, *_unwrapped(own), *bodies, *_as_text(), *_foreign(family), *(_fenced() if must_call else ())]
    if not must_call:
        ways = [way for way in ways if not any("```" in m for m, _ in way.openers if isinstance(m, str))]
    own_ones = {(way.frame, way.form) for way in own if not way.frame.starts}
    unique = {(way.frame, way.form): way for way in reversed(ways)}
    parts = {part for d in TOOL_DIALECTS.values() if isinstance(d, FramedDialect) for part in d.parts}
    return WayTable([_cautious(way) for key, way in reversed(unique.items()) if key not in own_ones], sorted(parts))


def _cautious(way: FramedWay) -> FramedWay:
    return replace(way, frame=replace(way.frame, where="line"))


def _unwrapped(own: Sequence[FramedWay]) -> Iterator[FramedWay]:
    """The family's own calls without their openers, and JSON of any kind."""
    for way in own:
        frame, form = replace(way.frame, open="", call_open=""), way.form
        if isinstance(form, HeaderCalls) and form.before and form.before[-1] in form.seps:
            opener = "".join(part for part in form.before if isinstance(part, str))
            yield FramedWay(replace(frame, call_open=opener), replace(form, before=()), NO_WRAPPER)
        if isinstance(form, TaggedCalls) and form.before:
            yield FramedWay(replace(frame, call_open="".join(form.before)), replace(form, before=()), NO_WRAPPER)
        if isinstance(form, JsonCalls):
            for marker in (m for m in form.markers if isinstance(m, str)):
                yield FramedWay(replace(frame, call_open=marker), form, NO_WRAPPER)
        starts = _starts(form)
        if starts and not way.frame.starts:
            yield FramedWay(replace(frame, starts=starts), form, NO_WRAPPER)
    for starts in "{[":
        yield FramedWay(Frame(starts=starts), JsonCalls(late=True), NO_WRAPPER)


def _starts(form: Form) -> str:
    """What a call of this form begins with, if it can be told from prose without an opener."""
    match form:
        case PythonicCalls(listed=True):
            return "["
        case HeaderCalls() if set(form.between) & set(form.seps):
            return _NAMES
        case TaggedCalls(function_open=None):
            return _NAMES
        case JsonCalls(name=""):
            return "["
        case GemmaCalls():
            return form.before[:1]
    return ""


def _bodies(way: FramedWay) -> Iterator[FramedWay]:
    """Other forms within the frame of a family."""
    if way.frame.open or way.frame.call_open:
        for form in (JsonCalls(), HeaderCalls(), TextCalls()):
            yield FramedWay(way.frame, form, BODY)


def _as_text() -> Iterator[FramedWay]:
    for opener in _TEXT_OPENERS:
        yield FramedWay(Frame(call_open=opener), TextCalls(closed=True), AS_TEXT)
    yield FramedWay(Frame(starts=_NAMES), TextCalls(), AS_TEXT)
    yield FramedWay(Frame(call_open="Action:"), HeaderCalls(between=("Action Input:",)), AS_TEXT)
    for begin, end in _JSON_WRAPPERS:
        yield FramedWay(Frame(call_open=begin, call_close=end), JsonCalls(), AS_TEXT)


def _foreign(family: str) -> Iterator[FramedWay]:
    """Ways of all other families; those that several have in common go by the name of the first."""
    others = [d for d in dict.fromkeys(TOOL_DIALECTS.values()) if isinstance(d, FramedDialect) and d.name != family]
    for dialect in others:
        for way in dialect.ways:
            yield replace(way, note=f"the call was written as {dialect.name} writes it")
    for dialect in others:
        for way in dialect.ways:
            yield from _bodies(way)


def _fenced() -> Iterator[FramedWay]:
    for fence in _FENCES:
        for form in (JsonCalls(late=True), PythonicCalls(), TextCalls()):
            yield FramedWay(Frame(call_open=fence, call_close="```"), form, FENCED)
