"""Token ids in, events out, for one answer: bytes → text → dialect → stop strings → events."""

from collections import deque
from collections.abc import Sequence
from typing import Literal

from vivace.chat.detokenizer import Detokenizer, TokenTable
from vivace.chat.dialects.answer import AnswerParser
from vivace.chat.events import Event, Logprob, Logprobs, TextDelta, ToolCallStarted
from vivace.chat.stops import StopMatcher
from vivace.protocol import TokenLogprob


class TextStream:
    """Work per token does not grow with what came before.

    Stop strings are looked for in the visible content only, not in reasoning nor in the arguments of calls.

    Attributes:
        stopped_by: the stop string that ended the answer; from then on nothing comes out any more.
        reasoning_tokens: tokens so far that were reasoning or its markers.
        called_tools: a tool call has been emitted.
    """

    def __init__(self, table: TokenTable, parser: AnswerParser, stop: Sequence[str] = ()) -> None:
        self._table = table
        self._text = Detokenizer(table)
        self._parser = parser
        self._stops = StopMatcher(stop)
        self._logprobs = _VisibleLogprobs()
        self.reasoning_tokens = 0
        self.called_tools = False

    @property
    def stopped_by(self) -> str | None:
        return self._stops.matched

    def feed(self, ids: Sequence[int], logprobs: Sequence[TokenLogprob] | None = None) -> list[Event]:
        """The events that became certain with these ids."""
        events: list[Event] = []
        for i, token in enumerate(ids):
            if self.stopped_by is not None:
                break
            was_reasoning = self._parser.reasoning
            pieces = self._text.feed(token)
            if logprobs is not None:
                self._logprobs.push(self._logprob(logprobs[i]), sum(len(piece.text) for piece in pieces))
            for piece in pieces:
                events += self._visible(self._parser.feed(piece))
            self.reasoning_tokens += was_reasoning or self._parser.reasoning
            if logprobs is not None and not (self._text.held or self._parser.held or self._stops.held):
                self._logprobs.clear()
        return events

    def finish(self, reason: Literal["stop", "length"]) -> list[Event]:
        """What was held back. Not the `Finished` event, which needs to know more."""
        events: list[Event] = []
        if self.stopped_by is None:
            for piece in self._text.finish():
                events += self._visible(self._parser.feed(piece))
            events += self._visible(self._parser.finish(cut=reason == "length"))
            events += self._content(self._stops.flush())
        return events

    def _visible(self, events: list[Event]) -> list[Event]:
        """`events` up to a stop string in the content, each text followed by its log probabilities."""
        out: list[Event] = []
        for event in events:
            if self.stopped_by is not None:
                break
            if isinstance(event, TextDelta):
                out += self._content(self._stops.feed(event.text))
                continue
            out += self._content(self._stops.flush())
            self._logprobs.skip()
            self.called_tools = self.called_tools or isinstance(event, ToolCallStarted)
            out.append(event)
        return out

    def _content(self, text: str) -> list[Event]:
        if not text:
            return []
        tokens = self._logprobs.take(len(text))
        return [TextDelta(text), Logprobs(tokens)] if tokens else [TextDelta(text)]

    def _logprob(self, entry: TokenLogprob) -> Logprob:
        top = [self._one(token, logprob) for token, logprob in entry.top]
        return self._one(entry.token, entry.logprob, top)

    def _one(self, token: int, logprob: float, top: Sequence[Logprob] = ()) -> Logprob:
        data = self._table.bytes_of(token) or self._table.name_of(token).encode()
        return Logprob(data.decode("utf-8", "replace"), logprob, list(data), list(top))


class _VisibleLogprobs:
    """Finds the tokens that visible text came from: they wait in order, each with its number of characters."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Logprob, int]] = deque()
        self._begun = 0  # characters of the first one that were already visible

    def push(self, entry: Logprob, characters: int) -> None:
        self._waiting.append((entry, characters))

    def clear(self) -> None:
        """What still waits became no content."""
        self._waiting.clear()
        self._begun = 0

    def skip(self) -> None:
        """The same, but text may still follow from the last token."""
        while len(self._waiting) > 1:
            self._waiting.popleft()
            self._begun = 0

    def take(self, characters: int) -> list[Logprob]:
        """The tokens of the next `characters` of visible text."""
        taken: list[Logprob] = []
        while self._waiting and characters > 0:
            entry, length = self._waiting[0]
            if not self._begun:
                taken.append(entry)
            rest = length - self._begun
            if rest > characters:
                self._begun += characters
                break
            characters -= rest
            self._waiting.popleft()
            self._begun = 0
        return taken
