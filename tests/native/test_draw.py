"""Drawing a token: what MLX's operations draw from the same logits, seeds and positions."""

import mlx.core as mx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vivace.engine.sampler import draw
from vivace.protocol import Sampling

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

samplings = st.builds(
    Sampling,
    seed=st.integers(0, 2**32 - 1),
    temperature=st.sampled_from([0.0, 0.3, 0.7, 1.0, 1.5]),
    top_k=st.sampled_from([0, 0, 1, 5, 50, 5000]),
    top_p=st.sampled_from([1.0, 1.0, 0.95, 0.5, 0.01]),
    min_p=st.sampled_from([0.0, 0.0, 0.05, 0.5]),
)


@few
@given(rows=st.lists(samplings, min_size=1, max_size=4), vocab=st.integers(1, 3000), seed=st.integers(0, 999))
def test_it_draws_what_mlx_draws(level: str, rows: list[Sampling], vocab: int, seed: int) -> None:
    logits = 3 * mx.random.normal((len(rows), vocab), key=mx.random.key(seed))
    positions = list(range(seed, seed + len(rows)))
    stock = draw(logits, logits, rows, positions).token_ids()
    assert draw(logits, logits, rows, positions, vivace_cpu).token_ids() == stock


def test_the_noise_is_that_of_mlx(level: str) -> None:
    """Without differences in the logits the noise decides alone: over many seeds, all tokens come."""
    for vocab in (1, 2, 3, 31, 1000, 20001):
        flat, rows = mx.zeros((40, vocab)), [Sampling(seed=seed, temperature=1.0) for seed in range(40)]
        drawn = draw(flat, flat, rows, [7] * 40, vivace_cpu).token_ids()
        assert drawn == draw(flat, flat, rows, [7] * 40).token_ids()
        assert len(set(drawn)) > min(vocab, 40) // 2


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
def test_masked_tokens_never_come(level: str, dtype: mx.Dtype) -> None:
    logits = mx.where(mx.arange(500) % 7 == 3, 0.0, -mx.inf).astype(dtype)[None]
    for top_p in (1.0, 0.9):
        rows = [Sampling(seed=seed, temperature=1.0, top_p=top_p) for seed in range(30)]
        tokens = draw(mx.repeat(logits, 30, axis=0), logits, rows, [0] * 30, vivace_cpu).token_ids()
        assert all(token % 7 == 3 for token in tokens)


def test_rows_that_lie_apart_are_read_where_they_are(level: str) -> None:
    whole = 3 * mx.random.normal((6, 40, 100), key=mx.random.key(1))
    rows = [Sampling(seed=seed, temperature=1.0) for seed in range(6)]
    apart = whole[:, -1]
    assert draw(apart, apart, rows, [3] * 6, vivace_cpu).token_ids() == draw(apart, apart, rows, [3] * 6).token_ids()


def test_what_cannot_be_drawn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="one value"):
        vivace_cpu.draw(mx.zeros((2, 8)), [1.0], [0], [1.0], [0.0], [1], [0])
    with pytest.raises(ValueError, match="argmax"):
        vivace_cpu.draw(mx.zeros((1, 8)), [0.0], [0], [1.0], [0.0], [1], [0])
