"""One generation in the engine."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal

from vivace.engine.matcher import Matcher
from vivace.engine.penalties import Penalties
from vivace.protocol import Failed, Finished, Generate, Timings


@dataclass(eq=False)
class Sequence:
    """A request and how far it is.

    The last prompt token is never prefilled: the first decode step computes it, so that a prompt that is wholly in the
    cache needs no special case and prefill never pays for the vocabulary head.
    """

    request: Generate
    arrived: float = field(default_factory=monotonic)
    admitted: float | None = None
    first_token: float | None = None
    prefilled: int = 0  # prompt tokens in the caches
    cached: int = 0  # of them, taken from the prefix cache
    fed: int = 0  # tokens that went through the model: the position of the next one
    output: int = 0  # tokens generated, the stop token included
    finished: bool = False
    caches: list[Any] = field(default_factory=list)
    grammar: "Future[Matcher] | None" = None
    matcher: Matcher | None = None
    penalties: Penalties | None = None

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def prefill_left(self) -> int:
        """Prompt tokens to prefill; one is left to the first decode step."""
        return len(self.request.prompt) - 1 - self.prefilled

    def next_chunk(self, tokens: int) -> list[int]:
        return self.request.prompt[self.prefilled : self.prefilled + tokens]

    def finish(self, reason: Literal["stop", "length", "cancelled"]) -> Finished:
        """Ends the sequence; the closing message."""
        self.finished = True
        now = monotonic()
        admitted = self.admitted or now
        first = self.first_token or now
        return Finished(
            id=self.id,
            reason=reason,
            prompt_tokens=len(self.request.prompt),
            cached_tokens=self.cached,
            completion_tokens=self.output,
            timings=Timings(queue_s=admitted - self.arrived, prefill_s=first - admitted, decode_s=now - first),
        )

    def fail(self, kind: Literal["invalid_request", "engine_failed"], message: str) -> Failed:
        """Ends the sequence without an answer; the closing message."""
        self.finished = True
        return Failed(self.id, kind, message)
