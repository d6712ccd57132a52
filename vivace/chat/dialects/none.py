"""For models that write no calls, or no reasoning: everything is text."""

from collections.abc import Sequence
from dataclasses import dataclass

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import Piece, ReasoningDialect, RuleWriter
from vivace.chat.dialects.code_context import CodeContext
from vivace.chat.dialects.reasoning import MarkedReasoning
from vivace.chat.events import Event, TextDelta
from vivace.errors import invalid


@dataclass(frozen=True)
class PlainDialect:
    """No calls."""

    name: str = "none"
    aliases: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    trigger: str = ""

    def parser(self, tools: Sequence[Tool], tokens: frozenset[str]) -> "PlainParser":
        return PlainParser()

    def call_rule(self, writer: RuleWriter, tool: Tool) -> str:
        raise invalid("this model's chat template knows no tool calls, so none can be forced", "tool_choice")

    def calls_rule(self, writer: RuleWriter, call: str, many: bool) -> str:
        return call

    def mixed_rule(
        self, writer: RuleWriter, tools: Sequence[Tool], many: bool, reasoning: ReasoningDialect
    ) -> str | None:
        writer.relax("calls are not constrained: this model's chat template knows none")
        return None


class PlainParser:
    """See `ToolParser`."""

    busy = False
    held = False
    called = 0

    def __init__(self) -> None:
        self._context = CodeContext()

    @property
    def at_line_start(self) -> bool:
        return self._context.at_line_start

    def feed(self, piece: Piece) -> list[Event]:
        self._context.feed(piece.text)
        return [TextDelta(piece.text)]

    def finish(self, cut: bool = False) -> list[Event]:
        return []


TOOLS = PlainDialect()
REASONING = MarkedReasoning("none")
