"""A whole answer: the fold of one choice's events, which is all that non-streaming replies are made of."""

from dataclasses import dataclass, field

from vivace.chat import events


@dataclass
class FoldedCall:
    id: str
    name: str
    arguments: list[str] = field(default_factory=list)


@dataclass
class Folded:
    """What one choice has said so far. `finished` is None until its last event."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: dict[int, FoldedCall] = field(default_factory=dict)
    logprobs: list[events.Logprob] = field(default_factory=list)
    finished: events.Finished | None = None

    def add(self, event: events.Event) -> None:
        match event:
            case events.TextDelta(text):
                self.text.append(text)
            case events.ReasoningDelta(text):
                self.reasoning.append(text)
            case events.ToolCallStarted():
                self.calls[event.index] = FoldedCall(event.id, event.name)
            case events.ToolCallArguments():
                self.calls[event.index].arguments.append(event.json_delta)
            case events.Logprobs():
                self.logprobs += event.tokens
            case events.Finished():
                self.finished = event


def total_usage(finished: list[events.Finished]) -> events.Usage:
    """Of all choices together: the prompt was processed for one of them, each completion for itself."""
    first = finished[0].usage
    return events.Usage(
        prompt_tokens=first.prompt_tokens,
        completion_tokens=sum(each.usage.completion_tokens for each in finished),
        cached_tokens=first.cached_tokens,
        reasoning_tokens=sum(each.usage.reasoning_tokens for each in finished),
    )


def overall_timings(finished: list[events.Finished]) -> events.Timings:
    """Of all choices together, which wait and run side by side."""
    timings = [each.timings for each in finished]
    return events.Timings(
        queue_s=min(each.queue_s for each in timings),
        prefill_s=max(each.prefill_s for each in timings),
        decode_s=max(each.decode_s for each in timings),
    )
