"""The step loop on the native kernels: whoever else is in the batch, each request gets what it gets alone."""

import json
import random

import pytest

from tests.engine.grammar_text import KEYS, SCHEMA, write_tokenizer
from tests.engine.harness import Harness
from tests.random_models import KINDS, ONE_BY_ONE, VOCAB, random_checkpoint
from vivace.engine.models import load
from vivace.engine.native.layers import Kernels
from vivace.engine.seams import Means
from vivace.protocol import Grammar, Sampling

vivace_cpu = pytest.importorskip("vivace_cpu")


def prompt(length: int) -> list[int]:
    return random.Random(length).choices(range(VOCAB), k=length)


@pytest.mark.parametrize("kind", KINDS)
def test_requests_that_join_at_different_steps_get_what_they_get_alone(tmp_path, kind):
    bits = 8 if kind not in ONE_BY_ONE else None  # its matrices are too narrow for a group
    folder = random_checkpoint(tmp_path / kind, kind, bits=bits)
    model = load(folder, "auto", lambda _: None, Means(Kernels(vivace_cpu, exact=True)))
    sampled = Sampling(seed=5, temperature=0.8, top_k=40, top_p=0.9)
    requests = {str(n): (prompt(n), Sampling(temperature=0) if n % 2 else sampled) for n in (1, 6, 37, 90)}
    alone = {id: Harness(model).answer(tokens, 30, sampling) for id, (tokens, sampling) in requests.items()}
    harness = Harness(model)
    for id, (tokens, sampling) in requests.items():
        harness.submit(id, tokens, 30, sampling)
        harness.turn()
        harness.turn()
    harness.run()
    assert harness.tokens == alone


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(seed=5, temperature=1.0, top_k=40, top_p=0.9)])
@pytest.mark.parametrize("kind", ["qwen3", "gpt_oss", "qwen3_5", "falcon_h1"])
def test_grammars_mask_and_jump_as_they_do_without_the_kernels(tmp_path, kind, sampling):
    tokenizer = write_tokenizer(tmp_path)
    folder = random_checkpoint(tmp_path / kind, kind, bits=8)
    model = load(folder, "auto", lambda _: None, Means(Kernels(vivace_cpu, exact=True)))
    jumping, decoding = (Harness(model, tmp_path, shortest_run=run) for run in (3, 10**9))
    for harness in (jumping, decoding):
        harness.submit("free", prompt(6), 12)
        harness.submit("entry", prompt(20), 200, sampling, grammar=Grammar(SCHEMA))
        harness.run()
    assert list(json.loads(tokenizer.decode(jumping.tokens["entry"]))) == list(KEYS)
    assert jumping.tokens == decoding.tokens
    assert jumping.loop.steps < decoding.loop.steps
