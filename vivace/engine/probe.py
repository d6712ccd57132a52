"""The first forwards of a model: they compile its kernels, measure it, and show whether rows can share a forward.

Whether they can is not looked up by architecture but tried: two short sequences that join and leave at different steps
must get the logits that they get alone.
"""

from dataclasses import dataclass
from time import monotonic
from typing import Any, cast

import mlx.core as mx

from vivace.engine.cache.ragged import UnbatchableError
from vivace.engine.models import LoadedModel, cost_of
from vivace.engine.runner import Runner
from vivace.engine.sequence import Sequence
from vivace.engine.sizing import CacheCost
from vivace.protocol import Generate

PROMPTS = ([1, 2, 3, 4, 7], [5, 6, 7])  # the last token of each is the first to be decoded
NEXT = [7, 8, 9]
TIMED_TOKENS = 64
# Relative difference of logits up to which two forwards are the same computation in another order.
TOLERANCE = {"float32": 1e-3, "float16": 3e-2, "bfloat16": 1e-1}
# With native kernels a difference in the last bit may round an activation to another of its 255 steps.
ROUNDED = 3e-2


@dataclass(frozen=True)
class Probe:
    """Width of the logits, prefill tokens/s, the caches of a sequence that has run, what they take by length; why rows
    cannot share a forward (empty: they can)."""

    vocab_size: int
    prefill_rate: float
    caches: list[Any]
    cost: CacheCost
    unshared: str = ""


def probe(model: LoadedModel) -> tuple[Runner, Probe]:
    """A runner that is set to how the model can be run, and what was found."""
    runner = Runner(model)
    runner.share_rows = False
    alone = _alone(runner)
    mx.eval(alone)
    tolerance = max(TOLERANCE.get(model.dtype, 1e-1), ROUNDED if model.ops else 0.0)
    reason = _why_unshared(Runner(model), alone, tolerance)
    runner.share_rows = not reason
    caches = _sequence(runner, PROMPTS[0]).caches
    return runner, Probe(alone.shape[-1], _prefill_rate(runner), caches, cost_of(caches), reason)


def _sequence(runner: Runner, prompt: list[int]) -> Sequence:
    """A sequence whose prompt is prefilled."""
    sequence = Sequence(Generate(id="probe", prompt=prompt, max_tokens=len(NEXT)))
    sequence.caches = runner.make_caches(sequence.request)
    if sequence.prefill_left:
        runner.prefill(sequence, sequence.prefill_left)
    return sequence


def _alone(runner: Runner) -> mx.array:
    """Logits `[2, V]` of the third decode step of both sequences, run on their own."""
    rows = [_sequence(runner, prompt) for prompt in PROMPTS]
    for token in NEXT:
        logits = runner.decode(rows, mx.array([token, token]))
    return logits


def _joining_and_leaving(runner: Runner) -> mx.array:
    """The same logits when the second sequence joins one step later and the first leaves one step earlier."""
    first, second = (_sequence(runner, prompt) for prompt in PROMPTS)
    runner.decode([first], mx.array(NEXT[:1]))
    runner.decode([first, second], mx.array([NEXT[1], NEXT[0]]))
    both = runner.decode([first, second], mx.array([NEXT[2], NEXT[1]]))
    last = runner.decode([second], mx.array([NEXT[2]]))
    return mx.concatenate([both[:1], last])


def _why_unshared(runner: Runner, alone: mx.array, tolerance: float) -> str:
    try:
        difference = _relative_difference(_joining_and_leaving(runner), alone)
    except (UnbatchableError, AttributeError, TypeError, ValueError, IndexError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return "" if difference <= tolerance else f"logits differ by {difference:.1e}"


def _relative_difference(found: mx.array, expected: mx.array) -> float:
    """Largest absolute difference over the largest absolute value."""
    scale = cast("float", mx.max(mx.abs(expected)).item())
    return cast("float", mx.max(mx.abs(found - expected)).item()) / (scale or 1.0)


def _prefill_rate(runner: Runner) -> float:
    """Tokens/s of a short prefill; the second try is warm."""
    return max(_timed_prefill(runner) for _ in range(2))


def _timed_prefill(runner: Runner) -> float:
    sequence = Sequence(Generate(id="probe", prompt=[1] * (TIMED_TOKENS + 1), max_tokens=1))
    sequence.caches = runner.make_caches(sequence.request)
    started = monotonic()
    mx.eval(runner.prefill(sequence, TIMED_TOKENS))
    return TIMED_TOKENS / max(monotonic() - started, 1e-6)
