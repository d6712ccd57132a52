"""A slab gives attention what mlx-lm's own caches give it."""

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_lm.models.cache import KVCache, RotatingKVCache

from vivace.engine.cache import slab as slabs
from vivace.engine.cache.slab import UNIT, Slab

WINDOW = 8


def attention(cache, keys: mx.array, values: mx.array, window: int | None) -> mx.array:
    """Attention of queries equal to the keys."""
    mask = cache.make_mask(keys.shape[2], window_size=window)
    all_keys, all_values = cache.update_and_fetch(keys, values)
    return mx.fast.scaled_dot_product_attention(keys, all_keys, all_values, scale=0.5, mask=mask)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.sampled_from([None, WINDOW]))
@settings(max_examples=40, deadline=None)
def test_attention_over_any_split_equals_mlx_lms_cache(pieces, window):
    slabs.SLACK = 4
    ours = Slab(window)
    theirs = RotatingKVCache(max_size=WINDOW) if window else KVCache()
    keys = mx.random.normal((1, 2, sum(pieces), 4), key=mx.random.key(1))
    values = mx.random.normal((1, 2, sum(pieces), 4), key=mx.random.key(2))
    at = 0
    for n in pieces:
        part = (keys[:, :, at : at + n], values[:, :, at : at + n])
        assert mx.allclose(attention(ours, *part, window), attention(theirs, *part, window), atol=1e-5)
        at += n
    assert ours.offset == at


@pytest.fixture(autouse=True)
def _slack(monkeypatch):
    monkeypatch.setattr(slabs, "SLACK", slabs.SLACK)


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
    for _ in range(2 * UNIT):
        fill(slab, 1)
    assert capacity(slab) == 3 * UNIT


def test_an_announced_length_is_allocated_at_once():
    slab = Slab()
    slab.reserve(1000)
    fill(slab, 1)
    assert capacity(slab) == 1024


def test_a_window_bounds_what_is_held(monkeypatch):
    monkeypatch.setattr(slabs, "SLACK", 16)
    slab = Slab(WINDOW)
    for _ in range(1000):
        fill(slab, 1)
    assert slab.offset == 1000
    assert slab.length <= WINDOW + 17
    assert capacity(slab) == UNIT


def test_an_empty_slab_has_no_state():
    assert Slab().state == []
    assert Slab().nbytes == 0
