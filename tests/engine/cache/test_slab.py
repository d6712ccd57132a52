"""A slab gives attention just what it may see."""

import mlx.core as mx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlx_lm.models.base import create_causal_mask

from vivace.engine.cache import slab as slabs
from vivace.engine.cache.chain import BLOCK
from vivace.engine.cache.slab import UNIT, Slab

WINDOW = 8


def attend_whole(keys: mx.array, values: mx.array, window: int | None) -> mx.array:
    """Causal attention of queries equal to the keys, all at once."""
    mask = create_causal_mask(keys.shape[2], window_size=window)
    return mx.fast.scaled_dot_product_attention(keys, keys, values, scale=0.5, mask=mask)


def attend_next(slab: Slab, keys: mx.array, values: mx.array) -> mx.array:
    """The same for the next tokens, against what the slab holds."""
    mask = slab.make_mask(keys.shape[2], window_size=slab.window)
    return mx.fast.scaled_dot_product_attention(keys, *slab.update_and_fetch(keys, values), scale=0.5, mask=mask)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.sampled_from([None, WINDOW]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_attention_in_pieces_equals_attention_over_the_whole(tight_slack, pieces, window):
    slab = Slab(window)
    keys = mx.random.normal((1, 2, sum(pieces), 4), key=mx.random.key(1))
    values = mx.random.normal((1, 2, sum(pieces), 4), key=mx.random.key(2))
    expected = attend_whole(keys, values, window)
    at = 0
    for n in pieces:
        piece = slice(at, at + n)
        found = attend_next(slab, keys[:, :, piece], values[:, :, piece])
        assert mx.allclose(found, expected[:, :, piece], atol=1e-5)
        at += n
    assert slab.offset == at


@pytest.fixture
def tight_slack(monkeypatch):
    monkeypatch.setattr(slabs, "SLACK", BLOCK + 4)


def fill(slab: Slab, tokens: int) -> None:
    slab.update_and_fetch(mx.zeros((1, 1, tokens, 4)), mx.zeros((1, 1, tokens, 4)))


def capacity(slab: Slab) -> int:
    assert slab.keys is not None
    return slab.keys.shape[2]


def test_capacity_is_rounded_and_grows_geometrically():
    slab = Slab()
    fill(slab, 10)
    assert capacity(slab) == UNIT
    fill(slab, UNIT)
    assert capacity(slab) == 2 * UNIT
    for _ in range(UNIT):
        fill(slab, 1)
    assert capacity(slab) == 3 * UNIT


def test_an_announced_length_is_allocated_at_once():
    slab = Slab()
    slab.reserve(1000)
    fill(slab, 1)
    assert capacity(slab) == 1024


def test_a_window_bounds_what_is_held(monkeypatch):
    monkeypatch.setattr(slabs, "SLACK", BLOCK + 16)
    slab = Slab(WINDOW)
    for _ in range(1000):
        fill(slab, 1)
    assert slab.offset == 1000
    assert slab.length <= WINDOW + BLOCK + 17
    assert capacity(slab) == UNIT


def test_an_empty_slab_has_no_state():
    assert Slab().state == []
    assert Slab().nbytes == 0
