"""The llguidance rules of an answer that may hold calls among its text.

What begins a call has to end the free text before it. A marker that is one token does so by itself; one that is
spelled is a lexeme that ends where it first can. Where no marker stands before calls, the whole head of a call is such
a lexeme, at the start of the answer: a JSON answer stays possible beside it.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter

if TYPE_CHECKING:
    from vivace.chat.dialects.framed import FramedDialect, FramedWay

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[\w.\-]+|\S')
UNCONSTRAINED = "calls are not constrained: nothing that this family writes begins one"


@runtime_checkable
class BareForm(Protocol):
    """A form whose calls need no marker before them."""

    def bare_rule(self, writer: RuleWriter, tool: Tool, exact: bool) -> str | None:
        """The lark expression of a first call, whose head ends free text; brackets around the list are open then. None
        if its head could be any text."""


def mixed_rule(
    dialect: "FramedDialect", writer: RuleWriter, tools: Sequence[Tool], many: bool, answer_open: str
) -> str | None:
    """Text and calls of one answer, strict ones by their schema; None if calls cannot be told from text."""
    way = dialect.ways[0]
    prose = writer.rule("prose", "/(?s:.*)/")
    if answer_open:
        return _with_headers(dialect, writer, tools, many, answer_open)
    if way.trigger:
        once = f"{writer.free(way.trigger)} {_triggered(way, writer, tools, many)}"
        return f"({once})* {prose}" if many and way.is_closed else f"({prose} | {once})"
    calls = _bare(way, writer, tools, many)
    if calls is None:
        writer.relax(UNCONSTRAINED)
        return None
    return f"({prose} | {calls})"


def _with_headers(dialect: "FramedDialect", writer: RuleWriter, tools: Sequence[Tool], many: bool, opener: str) -> str:
    """An answer or calls, whose beginnings differ. Calls may follow an answer where something else than their own
    beginning stands between calls; before them may be what the family says ahead of them."""
    frame, trigger = dialect.ways[0].frame, dialect.ways[0].trigger
    answer = writer.text(opener)
    calls = dialect.calls_rule(
        writer, any_rule(writer, [dialect.call_rule(writer, tool, tool.strict) for tool in tools]), many
    )
    options = [f"{answer} {writer.rule('prose', '/(?s:.*)/')}", calls]
    if frame.between and not trigger:
        options.append(f"{answer} {writer.free(frame.between)} {calls}")
    if dialect.preamble:
        before, behind = dialect.preamble
        options.append(f"{writer.text(before)} {writer.free(behind)} {calls}")
    return f"({' | '.join(options)})"


def _triggered(way: "FramedWay", writer: RuleWriter, tools: Sequence[Tool], many: bool) -> str:
    """Calls behind the trigger; where each has one of its own, the first."""
    call = any_rule(writer, [way.call_rule(writer, tool, tool.strict, opened=not way.frame.open) for tool in tools])
    listed = bool(way.form.brackets[0] or (way.frame.open and way.frame.many))
    return way.calls_rule(writer, call, many and listed, opened=True)


def _bare(way: "FramedWay", writer: RuleWriter, tools: Sequence[Tool], many: bool) -> str | None:
    form = way.form
    if not isinstance(form, BareForm):
        return None
    options = [option for tool in tools if (option := form.bare_rule(writer, tool, tool.strict))]
    if not options:
        return None
    parts = [any_rule(writer, options)]
    if many:
        call = any_rule(writer, [way.call_rule(writer, tool, tool.strict) for tool in tools])
        separator = form.separator or way.frame.between
        parts.append(f"({writer.text(separator)} {call})*")
    return " ".join([*parts, *([writer.text(form.brackets[1])] if form.brackets[1] else [])])


def any_rule(writer: RuleWriter, options: Sequence[str]) -> str:
    """The name of a rule for any of these."""
    return options[0] if len(options) == 1 else writer.rule("any", " | ".join(options))


def head_rule(writer: RuleWriter, text: str) -> str:
    """A head that ends free text, with white space where JSON and Python do not mind any."""
    pattern = r"\s*".join(map(pattern_of, ("", *_WORD.findall(text))))
    return writer.rule("head", f"/{pattern}/", "[lazy]")


def pattern_of(text: str) -> str:
    """A pattern for this text, to stand between slashes."""
    return re.escape(text).replace("/", r"\/").replace("\n", "n")  # an escaped newline has its backslash already
