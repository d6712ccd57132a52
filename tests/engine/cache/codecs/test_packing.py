"""Codes come back from bytes, and bytes are as few as can be."""

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivace.engine.cache.codecs.packing import pack, packed_nbytes, unpack


@given(st.integers(2, 4), st.integers(1, 70), st.integers(1, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_codes_come_back(bits, depth, vectors, seed):
    codes = mx.random.randint(0, 2**bits, (vectors, depth), key=mx.random.key(seed)).astype(mx.uint8)
    packed = pack(codes, bits)
    assert packed.dtype == mx.uint8
    assert packed.shape == (vectors, packed_nbytes(depth, bits))
    assert mx.array_equal(unpack(packed, depth, bits), codes)


@pytest.mark.parametrize(("depth", "bits", "nbytes"), [(128, 4, 64), (128, 3, 48), (128, 2, 32), (80, 3, 30)])
def test_whole_bytes_waste_nothing(depth, bits, nbytes):
    assert packed_nbytes(depth, bits) == nbytes
