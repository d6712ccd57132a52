"""What one step contains: a pure function from a picture of the engine to a plan."""

from dataclasses import dataclass

MIN_CHUNK = 32  # tokens; below it the fixed cost of a forward dominates
# Chunks end at multiples of so many tokens from where the run of known tokens begins: the native kernels take so many
# together in recurrent layers, and wherever chunks end these must be the same ones.
CELL = 4
# What is cut has at least so many tokens: kernels take fewer in another way (gated delta: 7; attention: 8 queries).
SHORTEST = 9


@dataclass(frozen=True)
class Waiting:
    """A sequence with tokens to prefill. `waited_s` counts from its arrival; `nbytes` is what its caches will take;
    `begun`: these are forced tokens of an output that has begun; `segment`: tokens up to where prefill has to stop, 0:
    all that are left."""

    id: str
    left: int
    priority: int = 0
    waited_s: float = 0.0
    admitted: bool = False
    nbytes: int = 0
    begun: bool = False
    segment: int = 0


@dataclass(frozen=True)
class View:
    """The engine at the beginning of a step.

    decoding: rows that get one token each. prefill_rate: measured tokens/s. chunk: the model's best prefill chunk.
    budget_s: time that prefill may take per step while others decode; idle_budget_s: while none does, which bounds how
    long a cancellation waits. free_bytes: memory for the caches of sequences that are not admitted yet.
    """

    waiting: tuple[Waiting, ...]
    decoding: int
    max_batch: int
    chunk: int
    prefill_rate: float
    budget_s: float = 0.05
    idle_budget_s: float = 0.5
    free_bytes: int = 0


@dataclass(frozen=True)
class Plan:
    """`admit`: ids that get caches now. `prefill`: (id, tokens) in order; 0 tokens: nothing is left to prefill.

    How many tokens a sequence gets depends on who else is there and on the clock, and what is computed must not: it is
    all that is left, or a multiple of CELL which takes and leaves SHORTEST at least.
    """

    admit: tuple[str, ...] = ()
    prefill: tuple[tuple[str, int], ...] = ()


def plan_step(view: View) -> Plan:
    """Admit what fits, then fill the step's prefill budget, soonest done first.

    The order is by client priority, then by the seconds a prompt still needs less the seconds it has waited: short ones
    go first, and a long one that has waited for its own duration yields to no newcomer. Outputs that have begun go
    before all prompts, as rows that decode do.
    """
    rate = max(view.prefill_rate, 1.0)
    ranked = sorted(view.waiting, key=lambda w: (not w.begun, w.priority, w.left / rate - w.waited_s))
    admit = _admitted([w for w in ranked if not w.admitted], view, view.decoding + sum(w.admitted for w in ranked))
    ready = [w for w in ranked if w.admitted or w.id in admit]
    return Plan(tuple(admit), tuple(_fill(ready, _budget(view))))


def _admitted(queue: list[Waiting], view: View, holding: int) -> list[str]:
    """Who gets a place, in order, until places or memory end; `holding` sequences have one. Alone, anybody may."""
    free = view.free_bytes
    admit: list[str] = []
    for waiting in queue[: max(view.max_batch - holding, 0)]:
        if waiting.nbytes > free and (holding or admit):
            break
        free -= waiting.nbytes
        admit.append(waiting.id)
    return admit


def _budget(view: View) -> int:
    """Tokens to prefill in this step."""
    seconds = view.budget_s if view.decoding else view.idle_budget_s
    return max(MIN_CHUNK, min(view.chunk, int(view.prefill_rate * seconds)))


def _fill(ready: list[Waiting], budget: int) -> list[tuple[str, int]]:
    chunks: list[tuple[str, int]] = []
    for sequence in ready:
        tokens = _share(min(sequence.left, sequence.segment or sequence.left), budget)
        if tokens or not sequence.left:
            chunks.append((sequence.id, tokens))
            budget -= tokens
    return chunks


def _share(left: int, budget: int) -> int:
    """Of the tokens that are left; a little more than the budget, if that is the end of them."""
    if budget <= 0:
        return 0
    if left < budget + SHORTEST:
        return left
    whole = budget // CELL * CELL
    return whole if whole >= SHORTEST else 0
