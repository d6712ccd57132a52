"""What the model has said, as it said it: a bounded memory of one model's answers, found again by their call ids.

A client sends an answer back as text and arguments. Rendered by the template, these are other tokens than the model
generated (spaces in JSON, the order of arguments, another split of the same letters), and the prefix cache would end
there. So each whole answer is kept with its tokens, and with what it answered.
"""

import json
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from vivace.chat import events
from vivace.chat.bounded import BoundedCache
from vivace.chat.conversation import Message, ToolCall

_LIMIT = 8_000_000  # bytes
_ENTRY = 600  # bytes, about, of an entry without its texts


@dataclass(frozen=True)
class Origin:
    """What an answer answers: a conversation of `messages` messages, whose prompt has this digest.

    `characters`: of the prompt, without the answers that were put into it as they had been generated.
    """

    salt: str
    messages: int
    characters: int
    digest: bytes


@dataclass(frozen=True)
class Turn:
    """One answer. `ids`: its tokens as generated, without the one that ended it; `text`: what they decode to."""

    origin: Origin
    ids: "array[int]"
    text: str
    content: str
    reasoning: str
    calls: tuple[ToolCall, ...]

    def is_said_in(self, message: Message) -> bool:
        """Whether a client sends this answer back unchanged. It may leave out the reasoning."""
        reasoning = (message.reasoning or "").strip()
        return (
            message.content.strip() == self.content.strip()
            and reasoning in ("", self.reasoning.strip())
            and len(message.tool_calls) == len(self.calls)
            and all(map(_same_call, message.tool_calls, self.calls))
        )

    @property
    def nbytes(self) -> int:
        arguments = sum(len(call.arguments) for call in self.calls)
        return _ENTRY + 4 * len(self.ids) + len(self.text) + len(self.content) + len(self.reasoning) + arguments


def _same_call(one: ToolCall, other: ToolCall) -> bool:
    if (one.id, one.name) != (other.id, other.name):
        return False
    return one.arguments == other.arguments or _canonical(one.arguments) == _canonical(other.arguments)


def _canonical(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments


class Turns:
    """Thread-safe."""

    def __init__(self) -> None:
        self.cache: BoundedCache[Turn] = BoundedCache(_LIMIT)

    def remember(self, turn: Turn) -> None:
        self.cache.put(_key(turn.origin.salt, turn.origin.messages, turn.content, turn.calls), turn, turn.nbytes)

    def known(self, messages: Iterable[Message], salt: str) -> dict[int, Turn]:
        """Index of a message → the answer that it repeats unchanged, and in the same place."""
        found: dict[int, Turn] = {}
        for index, message in enumerate(messages):
            if message.role != "assistant":
                continue
            turn = self.cache.get(_key(salt, index, message.content, message.tool_calls))
            if turn is not None and turn.is_said_in(message):
                found[index] = turn
        return found


def _key(salt: str, index: int, content: str, calls: Sequence[ToolCall]) -> tuple[Any, ...]:
    """Calls have ids; an answer without any is found by its text."""
    said = calls[0].id.encode() if calls else _digest(content.strip())
    return salt, index, said, len(calls)


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


class Recorder:
    """Listens to one answer and remembers it if it is `complete`.

    An answer with a call that had to be mended is not kept: the template writes it as it should have been.
    """

    def __init__(self, turns: Turns, origin: Origin, decode: Callable[[Sequence[int]], str]) -> None:
        self._turns = turns
        self._origin = origin
        self._decode = decode
        self._ids = array("I")
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[tuple[events.ToolCallStarted, list[str]]] = []
        self._mended = False

    def token(self, token: int) -> None:
        self._ids.append(token)

    def note(self, batch: Iterable[events.Event]) -> None:
        for event in batch:
            match event:
                case events.TextDelta(text):
                    self._content.append(text)
                case events.ReasoningDelta(text):
                    self._reasoning.append(text)
                case events.ToolCallStarted():
                    self._calls.append((event, []))
                case events.ToolCallArguments():
                    self._calls[event.index][1].append(event.json_delta)
                case events.ToolCallFinished():
                    self._mended = self._mended or event.repaired is not None

    def complete(self) -> None:
        """The model itself has ended the answer, and the client has all of it."""
        if self._mended or not self._ids:
            return
        calls = tuple(ToolCall(call.id, call.name, "".join(arguments)) for call, arguments in self._calls)
        content, reasoning = "".join(self._content), "".join(self._reasoning)
        text = self._decode(self._ids)
        self._turns.remember(Turn(self._origin, self._ids, text, content, reasoning, calls))
