"""From events to OpenAI's chat completion objects: chunks of a stream, or one whole body.

A chunk is made for every token of every stream, so it is a few msgspec structs and one call.
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

import vivace
from vivace.chat import events
from vivace.errors import VivaceError
from vivace.server.errors import error_object
from vivace.server.fold import Folded, overall_timings, total_usage
from vivace.server.wires import openai_chat_reply as reply

DONE = b"data: [DONE]\n\n"
NO_LOGPROB = -9999.0  # OpenAI's number for "as good as impossible"; JSON has no infinity

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Head:
    """What all parts of one reply have in common. `legacy`: calls go out as `function_call`."""

    id: str
    model: str
    legacy: bool = False
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def fingerprint(self) -> str:
        """The same for the same model and server version, which is what a seed's answer depends on."""
        return "fp_" + hashlib.sha256(f"{vivace.__version__}|{self.model}".encode()).hexdigest()[:12]

    def finish_reason(self, finished: events.Finished) -> reply.FinishReason:
        return "function_call" if self.legacy and finished.reason == "tool_calls" else finished.reason


class ChunkEncoder:
    """The lines of one streamed reply. `finished`: the last event of each choice that has ended."""

    def __init__(self, head: Head, n: int, *, include_usage: bool) -> None:
        self.finished: list[events.Finished] = []
        self._head = head
        self._n = n
        self._include_usage = include_usage
        self._fingerprint = head.fingerprint

    def start(self) -> bytes:
        """The first chunk of every choice."""
        role = reply.Delta(role="assistant", content="")
        return b"".join(self._choice_chunk(reply.ChunkChoice(index, role)) for index in range(self._n))

    def encode(self, index: int, batch: list[events.Event]) -> bytes:
        """The chunks of some events of one choice; nothing for events that this API has no words for."""
        return b"".join(self._piece(index, event, tokens) for event, tokens in _with_logprobs(batch))

    def finish(self) -> bytes:
        """What follows the last choice's end."""
        if not self._include_usage:
            return DONE
        usage = total_usage(self.finished)
        timings = timings_reply(overall_timings(self.finished), usage)
        return self._data(self._chunk([], usage_reply(usage), timings)) + DONE

    def _piece(self, index: int, event: events.Event, tokens: list[events.Logprob]) -> bytes:
        match event:
            case events.Finished():
                return self._finish_chunk(index, event)
            case events.Progress():
                return b": prefill %d/%d\n\n" % (event.done, event.total)
            case events.Failed():
                return self._data(error_object(VivaceError(event.kind, event.message)))
        delta = self._delta(event)
        if delta is None:
            return b""
        return self._choice_chunk(reply.ChunkChoice(index, delta, logprobs_reply(tokens) if tokens else None))

    def _delta(self, event: events.Event) -> reply.Delta | None:
        match event:
            case events.TextDelta():
                return reply.Delta(content=event.text)
            case events.ReasoningDelta():
                return reply.Delta(reasoning_content=event.text)
            case events.ToolCallStarted():
                function = reply.FunctionDelta(name=event.name, arguments="")
                return self._call(
                    function, reply.ToolCallDelta(index=event.index, id=event.id, type="function", function=function)
                )
            case events.ToolCallArguments():
                function = reply.FunctionDelta(arguments=event.json_delta)
                return self._call(function, reply.ToolCallDelta(index=event.index, function=function))
        return None

    def _call(self, function: reply.FunctionDelta, call: reply.ToolCallDelta) -> reply.Delta:
        return reply.Delta(function_call=function) if self._head.legacy else reply.Delta(tool_calls=[call])

    def _finish_chunk(self, index: int, finished: events.Finished) -> bytes:
        self.finished.append(finished)
        choice = reply.ChunkChoice(index, reply.Delta(), finish_reason=self._head.finish_reason(finished))
        if self._include_usage or len(self.finished) < self._n:
            return self._choice_chunk(choice)
        timings = timings_reply(overall_timings(self.finished), total_usage(self.finished))
        return self._data(self._chunk([choice], msgspec.UNSET, timings))

    def _choice_chunk(self, choice: reply.ChunkChoice) -> bytes:
        return self._data(self._chunk([choice], None if self._include_usage else msgspec.UNSET))

    def _chunk(
        self,
        choices: list[reply.ChunkChoice],
        usage: reply.CompletionUsage | msgspec.UnsetType | None,
        timings: reply.ReplyTimings | msgspec.UnsetType = msgspec.UNSET,
    ) -> reply.ChatCompletionChunk:
        head = self._head
        return reply.ChatCompletionChunk(
            id=head.id,
            created=head.created,
            model=head.model,
            system_fingerprint=self._fingerprint,
            choices=choices,
            usage=usage,
            timings=timings,
        )

    def _data(self, value: object) -> bytes:
        return b"data: " + _encode(value) + b"\n\n"


def _with_logprobs(batch: list[events.Event]) -> Iterator[tuple[events.Event, list[events.Logprob]]]:
    """Log probabilities follow the text they belong to, and travel with it."""
    for at, event in enumerate(batch):
        following = batch[at + 1] if at + 1 < len(batch) else None
        if isinstance(event, events.TextDelta) and isinstance(following, events.Logprobs):
            yield event, following.tokens
        elif not isinstance(event, events.Logprobs):
            yield event, []
        elif at == 0 or not isinstance(batch[at - 1], events.TextDelta):
            yield events.TextDelta(""), event.tokens


def whole(head: Head, choices: list[Folded], *, logprobs: bool) -> bytes:
    """The body of a reply that is not streamed; all choices have finished."""
    finished = [choice.finished for choice in choices if choice.finished is not None]
    usage = total_usage(finished)
    ends = enumerate(zip(choices, finished, strict=True))
    return _encode(
        reply.ChatCompletion(
            id=head.id,
            created=head.created,
            model=head.model,
            system_fingerprint=head.fingerprint,
            choices=[_choice(head, index, choice, end, logprobs=logprobs) for index, (choice, end) in ends],
            usage=usage_reply(usage),
            timings=timings_reply(overall_timings(finished), usage),
        )
    )


def _choice(head: Head, index: int, choice: Folded, end: events.Finished, *, logprobs: bool) -> reply.Choice:
    message = reply.AssistantMessage(content="".join(choice.text))
    if choice.reasoning:
        message.reasoning_content = "".join(choice.reasoning)
    if choice.calls:
        message.content = message.content or None
        _add_calls(message, choice, legacy=head.legacy)
    return reply.Choice(index, message, head.finish_reason(end), logprobs_reply(choice.logprobs) if logprobs else None)


def _add_calls(message: reply.AssistantMessage, choice: Folded, *, legacy: bool) -> None:
    calls = [
        reply.ToolCall(id=call.id, function=reply.Function(call.name, "".join(call.arguments)))
        for call in choice.calls.values()
    ]
    if legacy:
        message.function_call = calls[0].function
    else:
        message.tool_calls = calls


def logprobs_reply(tokens: list[events.Logprob]) -> reply.ChoiceLogprobs:
    return reply.ChoiceLogprobs(
        [
            reply.TokenLogprob(
                token.token, _finite(token.logprob), token.bytes, [_alternative(top) for top in token.top]
            )
            for token in tokens
        ]
    )


def _alternative(token: events.Logprob) -> reply.Alternative:
    return reply.Alternative(token.token, _finite(token.logprob), token.bytes)


def _finite(logprob: float) -> float:
    return max(logprob, NO_LOGPROB)


def usage_reply(usage: events.Usage) -> reply.CompletionUsage:
    return reply.CompletionUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details=reply.PromptTokensDetails(usage.cached_tokens),
        completion_tokens_details=reply.CompletionTokensDetails(usage.reasoning_tokens),
    )


def timings_reply(timings: events.Timings, usage: events.Usage) -> reply.ReplyTimings:
    return reply.ReplyTimings(
        queue_s=round(timings.queue_s, 6),
        prefill_s=round(timings.prefill_s, 6),
        decode_s=round(timings.decode_s, 6),
        prompt_tokens_per_s=_rate(usage.prompt_tokens - usage.cached_tokens, timings.prefill_s),
        generated_tokens_per_s=_rate(usage.completion_tokens - 1, timings.decode_s),
    )


def _rate(tokens: int, seconds: float) -> float:
    return round(tokens / seconds, 2) if tokens > 0 and seconds > 0 else 0.0
