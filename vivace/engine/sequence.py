"""One generation in the engine."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal

from vivace.engine.cache.chain import Chain
from vivace.engine.matcher import Matcher
from vivace.engine.penalties import Penalties
from vivace.engine.thinking import ThinkingBudget
from vivace.protocol import Failed, Finished, Generate, Timings


@dataclass(eq=False)
class Sequence:
    """A request and how far it is.

    The last of the `known` tokens is never prefilled: a decode step computes it, so that a prompt that is wholly in the
    cache needs no special case and prefill never pays for the vocabulary head.
    """

    request: Generate
    arrived: float = field(default_factory=monotonic)
    admitted: float | None = None
    first_token: float | None = None
    known: list[int] = field(init=False)  # what is to be fed without drawing it: the prompt, later a forced run
    prefilled: int = 0  # of the known tokens, in the caches
    cached: int = 0  # of the prompt, taken from the prefix cache
    stops: list[int] = field(default_factory=list)  # positions where prefill stops to keep what it has
    fed: int = 0  # tokens that went through the model: the position of the next one
    output: int = 0  # tokens generated, the stop token included
    finished: bool = False
    caches: list[Any] = field(default_factory=list)
    chain: Chain = field(default_factory=lambda: Chain(b""))  # prompt and output, stop token included; see PrefixCache
    restoring: bool = False  # its caches are being read from the SSD tier
    misread: bool = False  # they could not be read
    marks: list[bytes] = field(default_factory=list)  # keys of positions where state or windows were kept
    leader: "Sequence | None" = None  # who computes the beginning of this prompt, `lead` tokens of it
    lead: int = 0
    uses: int = 1  # turns of its conversation, as far as it took over the caches of the turn before
    kept: int = 0  # tokens of the prompt that others can have from here
    stored: int = 0  # tokens handed to the SSD tier, full blocks
    next_store: int = 0  # the position from which on it is worth handing over more
    grammar: "Future[Matcher] | None" = None
    matcher: Matcher | None = None
    penalties: Penalties | None = None
    thinking: ThinkingBudget | None = None

    def __post_init__(self) -> None:
        self.known = self.request.prompt

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def prefill_left(self) -> int:
        """Known tokens to prefill; one is left to a decode step."""
        return len(self.known) - 1 - self.prefilled

    @property
    def drawing(self) -> bool:
        """It goes on, and with a token that is yet to be drawn."""
        return not self.finished and not self.prefill_left

    @property
    def in_prompt(self) -> bool:
        """The known tokens are the prompt."""
        return self.known is self.request.prompt

    @property
    def filling(self) -> bool:
        """It has its caches and tokens to prefill."""
        return bool(self.caches) and not self.restoring and self.prefill_left > 0

    def begin_at(self, position: int) -> None:
        """The caches hold so many tokens of the prompt."""
        self.fed = self.prefilled = self.cached = self.kept = position

    def until_stop(self, tokens: int) -> int:
        """As many of the next `tokens` as prefill may compute before it has to stop."""
        tokens = min(tokens, self.prefill_left)
        stop = next((stop for stop in self.stops if stop > self.fed), None)
        return tokens if stop is None or not self.in_prompt else min(tokens, stop - self.fed)

    def next_chunk(self, tokens: int) -> list[int]:
        return self.known[self.prefilled : self.prefilled + tokens]

    def jump(self, known: list[int]) -> None:
        """Go on with tokens that need not be drawn; all before them is in the caches."""
        self.known, self.prefilled = known, 0

    def take(self, token: int) -> None:
        """Move past a token of the output.

        Raises:
            GrammarError: the grammar does not allow it.
        """
        if self.penalties is not None:
            self.penalties.count(token)
        if self.thinking is not None:
            self.thinking.consume(token)
        if self.matcher is not None:
            self.matcher.consume(token)

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
