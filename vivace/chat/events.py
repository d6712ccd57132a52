"""The events of one answer: the only words between dialects and wires.

A wire turns them into its API's stream; a non-streaming answer is a fold over the same events. Per answer: any number
of `Progress`, then deltas, then exactly one `Finished` or `Failed`.
"""

from typing import Literal

import msgspec

from vivace.errors import Kind


class ReasoningDelta(msgspec.Struct, frozen=True):
    text: str


class TextDelta(msgspec.Struct, frozen=True):
    text: str


class ToolCallStarted(msgspec.Struct, frozen=True):
    """`index` counts the calls of one answer from 0."""

    index: int
    id: str
    name: str


class ToolCallArguments(msgspec.Struct, frozen=True):
    """A piece of the arguments' JSON text. All pieces of one call concatenated are one JSON object, unless the answer
    ended by length within the call: then they are its beginning, left open so that nobody takes half a value for a
    whole one."""

    index: int
    json_delta: str


class ToolCallFinished(msgspec.Struct, frozen=True):
    """`repaired`: why the call had to be mended, or None when it was written as it should be, if perhaps not to its end
    because of the token limit."""

    index: int
    repaired: str | None = None


class Logprob(msgspec.Struct, frozen=True):
    """`token` is the text of the token; `bytes` its exact UTF-8 (a token may hold part of a character)."""

    token: str
    logprob: float
    bytes: list[int]
    top: list["Logprob"] = []


class Logprobs(msgspec.Struct, frozen=True):
    """Log probabilities of tokens of the visible content, in order."""

    tokens: list[Logprob]


class Progress(msgspec.Struct, frozen=True):
    """Prompt tokens processed so far, `cached` of them without computing."""

    done: int
    total: int
    cached: int


class Usage(msgspec.Struct, frozen=True):
    """Token counts. `completion_tokens` includes `reasoning_tokens` and the stop token."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Timings(msgspec.Struct, frozen=True):
    """Seconds in the queue, in prefill (admission to first token) and in decode."""

    queue_s: float
    prefill_s: float
    decode_s: float


FinishReason = Literal["stop", "length", "tool_calls"]


class Finished(msgspec.Struct, frozen=True):
    """`stop_string`: the stop string that ended the answer, if one did."""

    reason: FinishReason
    usage: Usage
    timings: Timings
    stop_string: str | None = None


class Failed(msgspec.Struct, frozen=True):
    """The answer ended without being complete; what was sent before stays true."""

    kind: Kind
    message: str


Event = (
    ReasoningDelta
    | TextDelta
    | ToolCallStarted
    | ToolCallArguments
    | ToolCallFinished
    | Logprobs
    | Progress
    | Finished
    | Failed
)
