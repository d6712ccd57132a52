"""A request alone and in company on the native kernels: the same bits, though its prompt is cut elsewhere.

Rounding activations to int8 makes of a difference in the last bit one of some percent in the logits, which changes
draws: nothing less than the same bits will do.
"""

import random
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

import vivace.assets
from tests.engine.grammar_text import SCHEMA, write_tokenizer
from tests.engine.harness import Harness
from tests.random_models import KINDS, VOCAB, random_checkpoint
from vivace.engine.models import LoadedModel, load
from vivace.engine.native.layers import Kernels
from vivace.engine.seams import Means
from vivace.engine.sequence import Sequence
from vivace.protocol import Grammar, Sampling

vivace_cpu = pytest.importorskip("vivace_cpu")

EMBEDDED = Path(vivace.assets.__file__).parent / "vivace-mini"
LENGTHS = (5, 33, 41, 73, 110, 140, 205, 333, 800, 1500, 2300)
SAMPLED = Sampling(seed=3, temperature=1.0)
CHUNKS = (32, 77, 130)
# Kinds that compute prompts partly with MLX's own operations, whose sums depend on how many tokens come together.
TO_ROUNDING = ("gpt_oss", "falcon_h1", "deepseek_v3")


def prompt(length: int, seed: int = 0) -> list[int]:
    return random.Random(1000 * length + seed).choices(range(VOCAB), k=length)


def model_of(tmp_path: Path, kind: str, exact: bool) -> LoadedModel:
    folder = EMBEDDED if kind == "embedded" else random_checkpoint(tmp_path / kind, kind, bits=8)
    return load(folder, "auto", lambda _: None, Means(Kernels(vivace_cpu, exact)))


class Recorder(Harness):
    """Keeps the bits of all logits, by request and position."""

    def __init__(self, model: LoadedModel, *more, **limits):
        super().__init__(model, *more, **limits)
        self.logits: dict[tuple[str, int], bytes] = {}
        runner = self.loop._runner
        decode = runner.decode

        def recorded(rows: list[Sequence], tokens: mx.array) -> mx.array:
            logits = decode(rows, tokens)
            self.logits |= {
                (row.id, row.fed): bits for row, bits in zip(rows, map(bytes, np.array(logits)), strict=True)
            }
            return logits

        runner.decode = recorded


def whole_and_cut(model: LoadedModel, chunk: int, *more) -> tuple[Recorder, Recorder]:
    """An engine that prefills in one go, and one with a budget of `chunk` tokens a step for all prompts together."""
    fast = {"prefill_rate": 1e12, "budget_s": 1e3, "max_batch": len(LENGTHS)}
    return tuple(Recorder(model, *more, chunk=size, **fast) for size in (4096, chunk))


def assert_same(alone: Recorder, company: Recorder) -> None:
    assert company.tokens == alone.tokens
    both = company.logits.keys() & alone.logits.keys()  # but for the steps behind an end, which are chance
    assert len(both) >= sum(f.completion_tokens for f in alone.finished.values()) / 4
    assert [key for key in both if company.logits[key] != alone.logits[key]] == []


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    "kind", [pytest.param("embedded", marks=pytest.mark.slow), *(kind for kind in KINDS if kind not in TO_ROUNDING)]
)
def test_logits_are_the_same_bits_wherever_prompts_are_cut(tmp_path, kind, exact):
    model = model_of(tmp_path, kind, exact)
    for chunk in CHUNKS:
        alone, company = whole_and_cut(model, chunk)
        for n in LENGTHS:
            alone.submit(str(n), prompt(n), 6, SAMPLED)
            alone.run()
            company.submit(str(n), prompt(n), 6, SAMPLED)
            if n % 2:
                company.turn()
        company.run()
        assert_same(alone, company)


@pytest.mark.parametrize("kind", ["qwen3", "qwen3_5"])
def test_forced_runs_that_share_a_step_get_what_they_get_alone(tmp_path, kind):
    write_tokenizer(tmp_path)
    model = model_of(tmp_path, kind, exact=False)
    alone, company = whole_and_cut(model, 32, tmp_path)
    for i in range(8):
        alone.submit(str(i), prompt(20, i), 200, SAMPLED, grammar=Grammar(SCHEMA))
        alone.run()
        company.submit(str(i), prompt(20, i), 200, SAMPLED, grammar=Grammar(SCHEMA))
    company.run()
    assert_same(alone, company)
