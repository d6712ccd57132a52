"""The llguidance rules of an answer that may hold calls among its text.

What begins a call has to end the free text before it, and nothing else may: prose that mentions a marker stays text. A
marker that is one token means a call wherever it is generated. One that is spelled does so where the parser would take
it for an opener, outside code, and if what follows can be nothing but a call: what the family writes next, or, where
that is the name of a tool, this with what comes behind it. Where no marker stands before calls, their whole head must
begin the answer.

Tokens without a meaning for calls stay possible among the text, and so do further blocks of reasoning.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import ReasoningDialect, RuleWriter
from vivace.chat.dialects.ways import Where

if TYPE_CHECKING:
    from vivace.chat.dialects.framed import FramedDialect, FramedWay

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[\w.\-]+|\S')
_LITERAL = re.compile(r"\n+|<[^<>\s]+>?|.[^\n<]*")  # what is one lexeme where a text is written
UNCONSTRAINED = "calls are not constrained: nothing that this family writes begins one"


class Found(NamedTuple):
    """A call that its head tells from text: lark expressions of the head, of the rest, and of a beginning that the rest
    cannot have: if that comes, the head was only mentioned. The latter may be empty."""

    head: str
    rest: str
    other: str = ""


@runtime_checkable
class BareForm(Protocol):
    """A form whose calls can be told from text by their heads."""

    def found_rule(self, writer: RuleWriter, tool: Tool, opening: str, where: Where) -> Found | None:
        """A first call, whose head ends free text; brackets around the list are open then. None if its head could be
        any text. `opening`: what stands before it, `where` in the text; if nothing does and the form has no opener of
        its own, the call begins the answer."""


def mixed_rule(
    dialect: "FramedDialect", writer: RuleWriter, tools: Sequence[Tool], many: bool, reasoning: ReasoningDialect
) -> str | None:
    """Text and calls of one answer; None if calls cannot be told from text."""
    way = dialect.ways[0]
    if reasoning.answer_open:
        return _with_headers(dialect, writer, tools, many, reasoning)
    openers = (each.trigger or each.begins for each in dialect.ways)  # a call in another way would not be held
    apart = _apart(writer, dialect.trigger + "".join(openers), reasoning)
    rest = f"{apart} {_prose(writer)}"
    if way.trigger and not writer.is_spelled(way.trigger):
        calls = f"{writer.free(way.trigger)} {_opened(way, writer, tools, many, way.trigger)}"
        return _among_text(f"{apart} {calls}", "", rest, many and way.is_closed)
    if way.trigger and way.begins:
        opener = f"{apart} {behind_text(writer, way.opening, way.frame.where)}"
        calls = _opened(way, writer, tools, many, way.opening)
        mention = f"{opener} {another_rule(writer, way.begins)}"
        return _among_text(f"{opener} {calls}", mention, f"({rest} | {opener})", many and way.is_closed)
    calls, mention = _found(way, writer, tools, many, way.opening)
    if not calls:
        writer.relax(UNCONSTRAINED)
        return None
    again = many and way.is_closed and bool(way.trigger or way.form.openers)
    return _among_text(f"{apart} {calls}", mention and f"{apart} {mention}", rest, again)


def _among_text(calls: str, mention: str, rest: str, again: bool) -> str:
    """Text and calls in turn, `again` and again, or text and perhaps calls at its end."""
    if again:
        return f"({calls}{mention and f' | {mention}'})* {rest}"
    return f"{mention and f'({mention})*'} ({rest} | {calls})"


def _prose(writer: RuleWriter) -> str:
    return writer.rule("prose", "/(?s:.*)/")


def _apart(writer: RuleWriter, trigger: str, reasoning: ReasoningDialect) -> str:
    """Any text before a token, again and again: one that does not begin calls, or all of a block of reasoning."""
    opener, closer = reasoning.opener, reasoning.closer
    if not opener or writer.is_spelled(opener) or writer.is_spelled(closer):
        return _before_any(writer, writer.tokens_but(trigger))
    thought = f"{writer.text(opener)} {_before_any(writer, writer.tokens_but(closer))} {writer.free(closer)}"
    return _before_any(writer, writer.tokens_but(trigger, opener), writer.rule("thought", thought))


def _before_any(writer: RuleWriter, *options: str) -> str:
    found = " | ".join(filter(None, options))
    return f"({_prose(writer)} ({found}))*" if found else ""


def _with_headers(
    dialect: "FramedDialect", writer: RuleWriter, tools: Sequence[Tool], many: bool, reasoning: ReasoningDialect
) -> str:
    """An answer or calls, whose beginnings differ. Calls may follow an answer where something else than their own
    beginning stands between calls; before them may be what the family says ahead of them."""
    way, prose = dialect.ways[0], _prose(writer)
    between = "" if way.trigger else way.frame.between
    answer = writer.text(reasoning.answer_open)
    calls = dialect.calls_rule(writer, any_rule(writer, [dialect.call_rule(writer, tool) for tool in tools]), many)
    options = [f"{answer} {prose}", calls]
    if between and not writer.is_spelled(between):
        options.append(f"{answer} {writer.free(between)} {calls}")
    elif between:
        found, mention = _found(way, writer, tools, many, between)
        options = [f"{answer} {_among_text(found, mention, prose, again=False)}", calls]
    if not dialect.preamble or between:
        return f"({' | '.join(options)})"
    before, behind = dialect.preamble
    said = f"{writer.text(before)} {writer.free(behind)}"
    if reasoning.resume:
        said += f" ({writer.text(reasoning.opener)} {writer.free(reasoning.closer)} {writer.text(reasoning.resume)})*"
    return f"({said})* ({' | '.join(options)})"


def _opened(way: "FramedWay", writer: RuleWriter, tools: Sequence[Tool], many: bool, opening: str) -> str:
    """Calls behind the opening; where each has one of its own, the first."""
    opened = "" if way.frame.open else opening
    call = any_rule(writer, [way.call_rule(writer, tool, opened) for tool in tools])
    listed = bool(way.form.brackets[0] or (way.frame.open and way.frame.many))
    return way.calls_rule(writer, call, many and listed, opening)


def _found(way: "FramedWay", writer: RuleWriter, tools: Sequence[Tool], many: bool, opening: str) -> tuple[str, str]:
    """Calls, the first with its opening, and mentions of their heads; empty if there can be none."""
    frame, form = way.frame, way.form
    found = (
        [form.found_rule(writer, tool, opening, frame.where) for tool in tools] if isinstance(form, BareForm) else []
    )
    separator, after = form.separator or frame.between, form.brackets[1] + (frame.close and frame.newline + frame.close)
    more = ""
    if many and not (frame.call_open or form.openers):
        call = any_rule(writer, [way.call_rule(writer, tool) for tool in tools])
        more = f" ({writer.text(separator)} {call})*"
    more += f" {writer.text(after)}" if after else ""
    calls = [f"{each.head} {each.rest}{more}" for each in found if each]
    mentions = [f"{each.head} {each.other}" for each in found if each and each.other]
    return (any_rule(writer, calls) if calls else ""), (any_rule(writer, mentions) if mentions else "")


def any_rule(writer: RuleWriter, options: Sequence[str]) -> str:
    """The name of a rule for any of these."""
    return options[0] if len(options) == 1 else writer.rule("any", " | ".join(options))


def head_rule(writer: RuleWriter, text: str) -> str:
    """A head that ends free text, with white space where JSON and Python do not mind any."""
    pattern = r"\s*".join(map(pattern_of, ("", *_WORD.findall(text))))
    return writer.rule("head", f"/{pattern}/", "[lazy]")


def behind_text(writer: RuleWriter, text: str, where: Where) -> str:
    """Any text up to and with `text`, outside code; a token in it counts everywhere."""
    if not writer.is_spelled(text):
        return writer.free(text)
    return writer.rule("found", f"/{_BEFORE[where]}{pattern_of(text)}/", "[lazy]")


def another_rule(writer: RuleWriter, begins: str) -> str:
    """The beginning of anything else than `begins`, past white space."""
    text = begins[0] if begins[0] in "{[" else _LITERAL.findall(begins)[0]
    options = [f"{pattern_of(text[:i])}[^{_escaped(c)}{'' if i else _SPACE}]" for i, c in enumerate(text)]
    return writer.rule("mentioned", rf"/[{_SPACE}]*({'|'.join(options)})/")


_SPACE = r" \t\n"


def _escaped(char: str) -> str:
    """For a class of characters."""
    return f"\\{char}" if char in r"\]^-[/&~" else char


def _line_without(char: str) -> str:
    """A whole line that is no fence of these characters."""
    return rf"[ \t]*([^ \t\n{char}][^\n]*|{char}{{1,2}}([^{char}\n][^\n]*)?)?\n"


def _fenced(char: str) -> str:
    fence = rf"[ \t]*{char}{{3}}[^\n]*\n"
    return f"{fence}({_line_without(char)})*{fence}"


# The same as `CodeContext`, as patterns: whole lines and fences, then a line with whole inline code.
_LINE = r"[ \t]*([^ \t\n`~][^\n]*|`{1,2}([^`\n][^\n]*)?|~{1,2}([^~\n][^\n]*)?)?\n"
_LINES = f"({_LINE}|{_fenced('`')}|{_fenced('~')})*"
_BEFORE: dict[Where, str] = {
    "anywhere": _LINES + r"[^`\n]*(`[^`\n]*`[^`\n]*)*",
    "line": _LINES + r"[ \t]*",
    "start": r"[ \t\n]*",
}


def pattern_of(text: str) -> str:
    """A pattern for this text, to stand between slashes."""
    return re.escape(text).replace("/", r"\/").replace("\n", "n")  # an escaped newline has its backslash already
