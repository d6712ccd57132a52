"""What a request must satisfy to be taken, checked before any work is done."""

from dataclasses import dataclass

from vivace.engine.output import SHORTEST_RUN
from vivace.engine.sizing import CacheCost
from vivace.protocol import Failed, Generate


@dataclass
class Limits:
    """What the loop keeps to.

    context: tokens of prompt and output together. max_batch: sequences with caches. max_waiting: those queued behind.
    chunk: tokens of one prefill chunk; budget_s: its time while others decode. vocab_size: the width of the logits.
    cost: what the caches of a sequence take; cache_bytes: what all may take together. The prefix cache may hold
    prefix_bytes of them while no running sequence needs them. shortest_run: forced tokens from which on a run of them
    is prefilled.
    """

    context: int
    max_batch: int
    max_waiting: int
    chunk: int
    budget_s: float
    vocab_size: int
    cost: CacheCost
    cache_bytes: int
    prefix_bytes: int = 0
    shortest_run: int = SHORTEST_RUN


def refusal(request: Generate, limits: Limits, queued: int, draining: bool) -> Failed | None:
    """Why a request is not taken, or None. `queued`: requests that wait and that the batch has no place for.

    It is negative while there are places to spare: those do not count as waiting.
    """
    size = len(request.prompt)
    if draining:
        return Failed(request.id, "overloaded", "the server is shutting down")
    if queued >= limits.max_waiting:
        return Failed(request.id, "overloaded", f"the batch is full and {queued} requests wait already")
    if size >= limits.context:
        return Failed(request.id, "prompt_too_long", f"the prompt has {size} tokens, the context is {limits.context}")
    need = limits.cost.nbytes(size)
    if need > limits.cache_bytes:
        memory = (
            f"its cache would take {need / 2**30:.1f} GiB, and {limits.cache_bytes / 2**30:.1f} GiB are free for it"
        )
        return Failed(request.id, "prompt_too_long", f"the prompt has {size} tokens: {memory}")
    if not request.prompt or min(request.prompt) < 0 or max(request.prompt) >= limits.vocab_size:
        return Failed(request.id, "invalid_request", f"token ids must be 0 to {limits.vocab_size - 1}")
    return None
