"""What is said between calls: text in order, with white space that only parts calls left out.

Several parsers may write one answer (repair.py): they share the prose, its place in code, and the events.
"""

from vivace.chat.dialects.base import UNDECIDED_LIMIT
from vivace.chat.dialects.code_context import CodeContext
from vivace.chat.events import Event, TextDelta


class Prose:
    """
    Attributes:
        spoke: content was emitted since the start or the last call.
        calls: how many have ended.
    """

    def __init__(self) -> None:
        self.spoke = False
        self.calls = 0
        self.context = CodeContext()
        self._events: list[Event] = []
        self._space = ""  # white space that is content only if content follows

    @property
    def held(self) -> bool:
        return bool(self._space)

    def say(self, text: str) -> None:
        self.context.feed(text)
        if not self.spoke and text.isspace() and len(self._space) < UNDECIDED_LIMIT:
            self._space += text
            return
        self._emit_space()
        self.spoke = True
        self._events.append(TextDelta(text))

    def emit(self, event: Event) -> None:
        """An event of a call, or prose in the midst of one."""
        if isinstance(event, TextDelta):
            self._emit_space()
        self._space = ""
        self._events.append(event)

    def drop_space(self) -> None:
        self._space = ""

    def after_call(self, calls: int) -> None:
        """The last call of a region has ended; `calls` so far."""
        self.calls, self.spoke = calls, False

    def drain(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def finish(self) -> None:
        """White space before any call is content, that behind the last one is not."""
        if not self.calls or self.spoke:
            self._emit_space()
        self._space = ""

    def _emit_space(self) -> None:
        if self._space:
            self._events.append(TextDelta(self._space))
        self._space = ""
