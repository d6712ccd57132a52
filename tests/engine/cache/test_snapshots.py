"""Recurrent state as values and as bytes."""

import mlx.core as mx
from mlx_lm.models.cache import ArraysCache, CacheList

from vivace.engine.cache.slab import Slab
from vivace.engine.cache.snapshots import Snapshot


def caches() -> list:
    one, two = ArraysCache(2), ArraysCache(1)
    one.cache = [mx.arange(6, dtype=mx.float32).reshape(1, 2, 3), None]
    two.cache = [mx.array([[1.5, -2.0]], dtype=mx.bfloat16)]
    return [CacheList(one, Slab()), Slab(), two]


def test_bytes_come_back_as_the_same_arrays():
    snapshot = Snapshot.take(caches())
    back = Snapshot.decode(snapshot.encode())
    assert [len(layer) for layer in back.layers] == [2, 1]
    for mine, theirs in zip(snapshot.arrays, back.arrays, strict=True):
        assert mine.dtype == theirs.dtype
        assert mx.array_equal(mine, theirs)
    assert back.layers[0][1] is None


def test_putting_back_copies_nothing_and_later_steps_do_not_reach_it():
    held = caches()
    snapshot = Snapshot.take(held)
    other = caches()
    snapshot.put_back(other)
    other[0].caches[0].cache[0][0, 0, 0] = 99.0  # what a model does in place
    mx.eval(other[0].caches[0].cache[0])
    assert snapshot.layers[0][0][0, 0, 0].item() == 0.0


def test_a_slice_does_not_keep_its_whole_alive():
    cache = ArraysCache(1)
    large = mx.zeros((1, 100_000, 8))
    mx.eval(large)
    cache.cache = [large[:, -3:]]
    snapshot = Snapshot.take([cache])
    mx.eval(snapshot.arrays)
    del large
    cache.cache = [None]
    assert snapshot.nbytes == 96
