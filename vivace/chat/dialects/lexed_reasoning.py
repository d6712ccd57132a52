"""What parsers of reasoning share: lexemes in, one after the other, events out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from vivace.chat.dialects.base import Piece, ToolParser
from vivace.chat.dialects.lexer import Lexeme, Lexer
from vivace.chat.events import Event


class LexedReasoning(ABC):
    """See `ReasoningParser`. Subclasses say what a lexeme means, and what the end of the output does."""

    def __init__(self, markers: Sequence[str], tokens: frozenset[str]) -> None:
        self._lexer = Lexer(markers, tokens)
        self._keep: Callable[[Piece], None] | None = None
        self._events: list[Event] = []

    def keep(self, sink: Callable[[Piece], None]) -> None:
        """Hands every piece of reasoning to `sink` as well."""
        self._keep = sink

    def feed(self, piece: Piece, tools: ToolParser) -> list[Event]:
        for lexeme in self._lexer.feed(piece):
            self._take(lexeme, tools)
        return self._drain()

    def finish(self, tools: ToolParser) -> list[Event]:
        for lexeme in self._lexer.finish():
            self._take(lexeme, tools)
        self._end_output(tools)
        return self._drain()

    def _drain(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    @abstractmethod
    def _take(self, lexeme: Lexeme, tools: ToolParser) -> None:
        """Appends to `_events` what became certain."""

    @abstractmethod
    def _end_output(self, tools: ToolParser) -> None:
        """The same for what was held back."""
