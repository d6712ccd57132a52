"""What the machine of a form reads from and writes to.

Until a call begins, everything read is kept, so that it can be given back as text (`NotACall`) or to another form.
After the arguments of a call are whole, the same holds for what follows it.
"""

from collections.abc import Callable, Mapping

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import new_call_id
from vivace.chat.dialects.coercion import Coercion
from vivace.chat.dialects.lexer import Lexeme
from vivace.chat.dialects.reader import LexemeReader, NotACall
from vivace.chat.events import Event, TextDelta, ToolCallArguments, ToolCallFinished, ToolCallStarted


class Scan(LexemeReader):
    """One region of calls. `tools`: the declared ones; `index`: of the first call; `note`: why all are repaired.

    A call of an undeclared tool is no call. In a list (`listed`) it is passed over, so that declared ones behind it are
    called; its text is content, if there are such.
    """

    def __init__(
        self,
        tools: Mapping[str, Tool],
        emit: Callable[[Event], None],
        index: int,
        new_id: Callable[[], str] = new_call_id,
        note: str | None = None,
    ) -> None:
        super().__init__()
        self.tools = tools
        self.index = index  # of the call that is open or will come next
        self.open = False  # a call has begun and has not ended
        self.whole = False  # its arguments are complete
        self.cut_off = False  # the output ended at the token limit: what has not begun by now is no call
        self._emit, self._new_id, self._note = emit, new_id, note
        self.has_called = False
        self.listed = False  # other calls may follow in the same region
        self._repaired: str | None = None
        self._passing = False  # the open call is of an undeclared tool
        self._coercion: Coercion | None = None
        self._spoke = False

    def settle(self) -> None:
        """What was read since the last call is used up."""
        if self._passing:
            self._used = len(self._taken)
        else:
            self._taken, self._size = [], 0

    def start(self, name: str, call_id: str | None = None) -> Tool:
        """Begins a call; one that is still open ends.

        Raises:
            NotACall: no declared tool has this name.
        """
        if self.cut_off or (name not in self.tools and not (self.listed and name)):
            raise NotACall
        self.end()
        self.whole, self._spoke = False, False
        if name not in self.tools:
            self._passing = True
            return Tool(name, None, {})
        self._say_passed()
        self._taken, self._size, self._keeps = [], 0, False
        self.open = self.has_called = True
        self._emit(ToolCallStarted(self.index, call_id or self._new_id(), name))
        self._coercion = Coercion.of(self.tools[name])
        return self.tools[name]

    def arguments(self, json_delta: str) -> None:
        if self._passing:
            return
        if self._coercion:
            json_delta = self._coercion.feed(json_delta)
        if json_delta:
            self._emit(ToolCallArguments(self.index, json_delta))

    def complete(self) -> None:
        """The arguments are whole: what follows can be given back."""
        self.whole = self._keeps = True
        if self._passing:
            self._used = len(self._taken)
        if self._coercion:
            self.repair(self._coercion.repaired)
            self._coercion = None

    def end(self) -> None:
        """Ends the call that is open, if there is one."""
        if self.open:
            self._emit(ToolCallFinished(self.index, self._note or self._repaired))
            self.index += 1
        if self.open or self._passing:
            self._repaired = None
        self.open = self._passing = False

    def close(self) -> None:
        """Ends the region.

        Raises:
            NotACall: it held none.
        """
        self.end()
        if not self.has_called:
            raise NotACall
        self._say_passed()

    def give_up(self) -> list[Lexeme]:
        """The region broke off, before the arguments of a call or behind them; what was not part of a call."""
        self._passing = False
        if self.open and not self.whole:
            self.repair("the call had no arguments")
            self.arguments("{}")
            self.complete()
        self.end()
        if self.has_called:
            self._say_passed()
        self._used = 0
        self.rewind()
        return self.rest()

    def _say_passed(self) -> None:
        """The text of calls that were passed over, with the openers before them."""
        text = "".join(lexeme.text for lexeme in self._taken[: self._used])
        self._taken, self._used = self._taken[self._used :], 0
        if text:
            self._emit(TextDelta(text))

    def repair(self, reason: str | None) -> None:
        """The open call, or the one that comes next, is not written as it should be; the first reason stays.

        What is missing where the token limit fell is nobody's mistake.
        """
        if not self.cut_off:
            self._repaired = self._repaired or reason

    def cut(self) -> None:
        """The token limit fell within the call: its arguments stay open, and nothing is mended."""
        self._emit(ToolCallFinished(self.index))
        self.index += 1
        self.open = False

    def content(self, text: str) -> bool:
        """Prose in the midst of a call; False if it was only white space before any."""
        if self._passing:
            return False
        text = text if self._spoke else text.lstrip()
        if text:
            self._spoke = True
            self._emit(TextDelta(text))
        return bool(text)

    def silence(self) -> None:
        """The prose that may come next is a new one."""
        self._spoke = False
