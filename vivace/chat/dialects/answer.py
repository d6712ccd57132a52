"""The whole way from pieces of output to events: reasoning apart, then calls apart from prose."""

from collections.abc import Callable, Sequence

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import Piece, ReasoningDialect, ToolDialect, ToolParser
from vivace.chat.dialects.repair import with_repair
from vivace.chat.events import Event, ToolCallArguments, ToolCallFinished, ToolCallStarted

_PROMOTED = "the call stood in the reasoning"
_CallEvent = ToolCallStarted | ToolCallArguments | ToolCallFinished


class AnswerParser:
    """Pieces in, events out, for one answer.

    A complete call inside the reasoning becomes a real one at the end, if no call came after it. `must_call`: the
    client has asked for a call.
    """

    def __init__(
        self,
        tool_dialect: ToolDialect,
        reasoning_dialect: ReasoningDialect,
        tools: Sequence[Tool],
        is_open: bool,
        tokens: frozenset[str] = frozenset(),
        must_call: bool = False,
    ) -> None:
        self._again: Callable[[], ToolParser] = lambda: tool_dialect.parser(tools, tokens)
        self._tools = with_repair(tool_dialect, tools, tokens, must_call)
        self._reasoning = reasoning_dialect.parser(is_open, tokens)
        self._thoughts: list[Piece] = []
        if tools:
            self._reasoning.keep(self._thoughts.append)

    @property
    def reasoning(self) -> bool:
        """Inside a reasoning block now."""
        return self._reasoning.reasoning

    @property
    def held(self) -> bool:
        """Characters are held back, undecided."""
        return self._reasoning.held or self._tools.held

    def feed(self, piece: Piece) -> list[Event]:
        return self._reasoning.feed(piece, self._tools)

    def finish(self, cut: bool = False) -> list[Event]:
        """`cut`: the output ended at the token limit, not by itself."""
        events = self._reasoning.finish(self._tools) + self._tools.finish(cut)
        return events if self._tools.called else events + self._promoted()

    def _promoted(self) -> list[Event]:
        """Complete calls of the reasoning; one that was not closed is left out."""
        parser = self._again()
        calls: dict[int, list[Event]] = {}
        complete: list[Event] = []
        events = [e for piece in self._thoughts for e in parser.feed(piece)]
        # Whatever comes next ends a list of calls that is whole; where it mends one, that was not.
        events += [e for e in parser.feed(Piece("\n.")) if isinstance(e, ToolCallFinished) and not e.repaired]
        for event in events:
            if isinstance(event, _CallEvent):
                calls.setdefault(event.index, []).append(event)
            if isinstance(event, ToolCallFinished):
                complete += [*calls[event.index][:-1], ToolCallFinished(event.index, _PROMOTED)]
        return complete
