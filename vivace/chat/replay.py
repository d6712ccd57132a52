"""Puts answers back into a prompt as they were generated, so that it begins with the tokens that the engine has.

No template is parsed. That an answer begins at a place is certain if the prompt up to there is the one that it
answered. Where it ends is seen in a conversation of its message alone: what follows the generation prompt up to the
token that ends a turn is how the template writes this message, and this must stand at that place.

An answer stays as the template writes it if any of this fails, and also if the template leaves out its reasoning there:
then the tokens before it are others too, and nothing behind them is in the cache.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import accumulate, pairwise, takewhile

from vivace.chat.bounded import BoundedCache
from vivace.chat.conversation import JSON, Conversation
from vivace.chat.rendering import Rendering
from vivace.chat.segments import Segment, Segmenter
from vivace.chat.turns import Origin, Turn
from vivace.errors import VivaceError

_WRITTEN = 4_000_000  # characters
_OTHER = "\ufddf"  # what others say in a conversation of one message: a noncharacter, never in real text
_QUESTION: JSON = {"role": "user", "content": _OTHER}


@dataclass(frozen=True)
class Span:
    """`text[start:end]` of a prompt is how the template writes what `turn` generated: message `index`."""

    index: int
    start: int
    end: int
    turn: Turn


@dataclass(frozen=True)
class Replayed:
    """A prompt's answers that are put back, and what an answer to this prompt will be known by."""

    spans: tuple[Span, ...]
    origin: Origin


def with_reasoning(conversation: Conversation, turns: Mapping[int, Turn]) -> Conversation:
    """Gives turns with calls the reasoning back that the client has left out: the template decides on it."""
    messages = list(conversation.messages)
    for index, turn in turns.items():
        if turn.calls and not (messages[index].reasoning or "").strip():
            messages[index] = replace(messages[index], reasoning=turn.reasoning or None)
    return replace(conversation, messages=tuple(messages))


class Replay:
    """`stops`: the texts of the tokens that end a turn."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._written: BoundedCache[str] = BoundedCache(_WRITTEN)

    def find(self, text: str, rendering: Rendering, turns: Mapping[int, Turn], salt: str) -> Replayed:
        """Which of the `turns` (index of the message → turn) can be put into the rendering's `text`."""
        spans: list[Span] = []
        seen = _Seen(text)
        for index, message, following in _answers(rendering):
            turn = turns.get(index)
            if turn is None or not seen.reaches(turn.origin):
                continue
            end = seen.at + len(self._as_written(rendering, message, following, turn, text, seen.at))
            if end > seen.at:
                spans.append(Span(index, seen.at, end, turn))
                seen.skip(turn, end)
        return Replayed(tuple(spans), seen.origin(salt, len(rendering.conversation.messages)))

    def _as_written(
        self, rendering: Rendering, message: JSON, following: list[JSON], turn: Turn, text: str, at: int
    ) -> str:
        """How the template writes the message, if that is what stands in the text; else nothing."""
        alone = [_QUESTION, message, *following]
        key = rendering.key(alone)
        written = self._written.get(key)
        if written is None:
            written = self._alone(rendering, alone)
            self._written.put(key, written, len(written) + len(key))
        body = next((written.removesuffix(stop) for stop in self._stops if written.endswith(stop)), "")
        complete = turn.reasoning.strip() in body
        return body if complete and written and text.startswith(written, at) else ""

    def _alone(self, rendering: Rendering, messages: list[JSON]) -> str:
        """The second of `messages` with the token that ends the turn."""
        bare = replace(rendering, messages=messages, tools=None)
        try:
            begun, whole = bare.guarded(messages[:1]), bare.guarded(messages, generation=False)
        except VivaceError:
            return ""
        if not whole.startswith(begun):
            return ""
        rest = whole[len(begun) :]
        ends = [(place, place + len(stop)) for stop in self._stops if (place := rest.find(stop)) >= 0]
        answer = rest[: min(ends)[1]] if ends else ""
        return "" if _OTHER in answer else rendering.clean(answer)


class _Seen:
    """The prompt up to a place, as text and tokens: what has to be the same for an answer to be put there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._hash = blake2b(digest_size=16)
        self._characters = 0
        self.at = 0

    def reaches(self, origin: Origin) -> bool:
        """Goes on to where the answer to `origin` begins, if the prompt is the same until there."""
        end = self.at + origin.characters - self._characters
        if not self.at <= end <= len(self._text):
            return False
        ahead = self._hash.copy()
        ahead.update(self._text[self.at : end].encode())
        if ahead.digest() != origin.digest:
            return False
        self._hash, self._characters, self.at = ahead, origin.characters, end
        return True

    def skip(self, turn: Turn, end: int) -> None:
        self._hash.update(turn.ids.tobytes())
        self.at = end

    def origin(self, salt: str, messages: int) -> Origin:
        rest = self._text[self.at :]
        self._hash.update(rest.encode())
        return Origin(salt, messages, self._characters + len(rest), self._hash.digest())


def _answers(rendering: Rendering) -> Iterable[tuple[int, JSON, list[JSON]]]:
    """(index in the conversation, the template's message, a stand-in for what follows it) of the assistant's turns.

    System messages may have been merged; the assistant's turns are the same ones in the same order.
    """
    indices = [i for i, message in enumerate(rendering.conversation.messages) if message.role == "assistant"]
    messages = rendering.messages
    places = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
    for index, place in zip(indices, places, strict=True):
        results = takewhile(lambda message: message["role"] == "tool", messages[place + 1 :])
        following = [{**message, "content": _OTHER} for message in results]
        yield index, messages[place], following or [_QUESTION] * (place + 1 < len(messages))


def segments(text: str, pieces: Iterable[str], spans: Iterable[Span], segmenter: Segmenter) -> list[Segment]:
    """The `text`, which consists of the `pieces`, with the spans as they were generated."""
    cuts = list(accumulate(map(len, pieces)))
    found: list[Segment] = []
    at = 0
    for span in (*spans, None):
        until = span.start if span else len(text)
        borders = [at, *(cut for cut in cuts if at < cut < until), until]
        found += segmenter.encode([text[a:b] for a, b in pairwise(borders)])
        if span:
            found.append(Segment(span.end - span.start, span.turn.ids, ()))
            at = span.end
    return found


def replayed_text(text: str, spans: Iterable[Span]) -> str:
    parts: list[str] = []
    at = 0
    for span in spans:
        parts += [text[at : span.start], span.turn.text]
        at = span.end
    return "".join([*parts, text[at:]])
