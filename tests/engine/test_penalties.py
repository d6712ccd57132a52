import mlx.core as mx
import pytest

from vivace.engine.penalties import Penalties, wants_penalties
from vivace.protocol import Sampling

LOGITS = mx.array([2.0, -2.0, 1.0, 0.5])


def applied(sampling: Sampling, prompt: list[int], output: list[int]) -> list[float]:
    penalties = Penalties(sampling, prompt, 4)
    for token in output:
        penalties.count(token)
    return penalties.apply(LOGITS).tolist()


@pytest.mark.parametrize(
    ("sampling", "prompt", "output", "expected"),
    [
        (Sampling(repetition_penalty=2.0), [0], [1], [1.0, -4.0, 1.0, 0.5]),
        (Sampling(presence_penalty=0.5), [0], [2, 2], [2.0, -2.0, 0.5, 0.5]),
        (Sampling(frequency_penalty=0.5), [0], [2, 2], [2.0, -2.0, 0.0, 0.5]),
        (Sampling(frequency_penalty=-1.0), [], [3], [2.0, -2.0, 1.0, 1.5]),
        (Sampling(logit_bias={1: 100.0, 9: 5.0}), [], [], [2.0, 98.0, 1.0, 0.5]),
        (Sampling(logit_bias={0: -1.0}, presence_penalty=1.0), [], [0], [0.0, -2.0, 1.0, 0.5]),
    ],
)
def test_logits_are_shifted_as_the_parameter_says(sampling, prompt, output, expected):
    assert wants_penalties(sampling)
    assert applied(sampling, prompt, output) == pytest.approx(expected)


def test_neutral_parameters_want_none():
    assert not wants_penalties(Sampling(temperature=0.3, top_k=5))
