"""Draws follow the distribution that the parameters define, row by row."""

import mlx.core as mx
import numpy as np
import pytest

from vivace.engine.sampler import draw
from vivace.protocol import Sampling

VOCAB = 40
ROWS = 20_000
LOGITS = np.random.default_rng(1).normal(size=VOCAB).astype(np.float32) * 2


def expected(sampling: Sampling) -> np.ndarray:
    """Temperature, top-k, top-p over the rest, min-p: by the book, in float64."""
    weights = np.exp(LOGITS.astype(np.float64) / sampling.temperature)
    order = np.argsort(-weights)
    kept = order[: sampling.top_k or VOCAB]
    shares = weights[kept] / weights[kept].sum()
    before = np.cumsum(shares) - shares
    kept = kept[before < sampling.top_p]
    kept = kept[weights[kept] >= sampling.min_p * weights.max()]
    result = np.zeros(VOCAB)
    result[kept] = weights[kept] / weights[kept].sum()
    return result


def frequencies(sampling: Sampling) -> np.ndarray:
    rows = [
        Sampling(**{f: getattr(sampling, f) for f in ("temperature", "top_k", "top_p", "min_p")}, seed=i)
        for i in range(ROWS)
    ]
    logits = mx.broadcast_to(mx.array(LOGITS), (ROWS, VOCAB))
    tokens = draw(logits, logits, rows, [0] * ROWS).tokens
    return np.bincount(np.array(tokens), minlength=VOCAB) / ROWS


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0),
        Sampling(temperature=0.6),
        Sampling(temperature=1.0, top_k=5),
        Sampling(temperature=1.5, top_k=1),
        Sampling(temperature=0.7, top_p=0.8),
        Sampling(temperature=1.0, top_p=0.01),
        Sampling(temperature=1.3, min_p=0.1),
        Sampling(temperature=0.9, top_k=10, top_p=0.9, min_p=0.02),
    ],
    ids=repr,
)
def test_tokens_are_drawn_from_the_restricted_distribution(sampling):
    found, wanted = frequencies(sampling), expected(sampling)
    assert not found[wanted == 0].any()
    assert np.abs(found - wanted).max() < 0.015


def test_temperature_zero_is_the_best_token_beside_rows_that_sample():
    logits = mx.random.normal((3, VOCAB), key=mx.random.key(0))
    rows = [Sampling(temperature=0), Sampling(temperature=2.0, seed=5), Sampling(temperature=0)]
    tokens = draw(logits, logits, rows, [0, 0, 0]).tokens.tolist()
    best = mx.argmax(logits, axis=-1).tolist()
    assert (tokens[0], tokens[2]) == (best[0], best[2])


def test_a_row_draws_the_same_in_any_company():
    rows = [
        Sampling(seed=1),
        Sampling(seed=2, top_k=7),
        Sampling(seed=3, temperature=0.5, top_p=0.7),
        Sampling(seed=4, min_p=0.2),
        *(Sampling(seed=seed, temperature=3.0, top_k=2) for seed in range(20)),
    ]
    logits = mx.random.normal((len(rows), VOCAB), key=mx.random.key(2))
    positions = [3 * i for i in range(len(rows))]
    together = draw(logits, logits, rows, positions).tokens.tolist()
    alone = [
        draw(logits[i : i + 1], logits[i : i + 1], [row], [positions[i]]).tokens.item() for i, row in enumerate(rows)
    ]
    assert together == alone


def test_every_position_draws_anew():
    logits = mx.zeros((50, VOCAB))
    tokens = draw(logits, logits, [Sampling(seed=9)] * 50, list(range(50))).tokens.tolist()
    assert len(set(tokens)) > 10


def test_masked_tokens_are_never_drawn():
    logits = mx.where(mx.arange(VOCAB) == 17, 0.0, -mx.inf)[None]
    for sampling in (Sampling(), Sampling(top_p=0.5), Sampling(top_k=3), Sampling(min_p=0.1), Sampling(temperature=0)):
        assert draw(logits, logits, [sampling], [0]).tokens.tolist() == [17]


def test_logprobs_come_from_the_raw_logits_best_first():
    raw = mx.array([[0.0, 2.0, 1.0, -1.0]])
    masked = mx.array([[0.0, -mx.inf, 1.0, -1.0]])
    entry = draw(masked, raw, [Sampling(temperature=0, top_logprobs=2)], [0]).logprobs_of_rows()[0]
    scores = np.log(np.exp([0, 2, 1, -1]) / np.exp([0, 2, 1, -1]).sum())
    assert entry.token == 2
    assert entry.logprob == pytest.approx(scores[2], abs=1e-5)
    assert [token for token, _ in entry.top] == [1, 2]
    assert [value for _, value in entry.top] == pytest.approx([scores[1], scores[2]], abs=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 1e-320, 1e-45, 1e-38, 1e-20, 1e-6, 1e-5])
@pytest.mark.parametrize("top_p", [1.0, 0.5])
def test_a_temperature_next_to_nothing_takes_the_best_token(temperature, top_p):
    logits = mx.array([[0.0, 50.0, 10.0, -20.0]])
    assert draw(logits, logits, [Sampling(seed=3, temperature=temperature, top_p=top_p)], [0]).token_ids() == [1]
