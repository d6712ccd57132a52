"""A random rotation of head vectors: signs that are fixed for ever, and Walsh-Hadamard transforms.

It spreads whatever stands out in a vector over all its coordinates, which then follow one density (`codebook.py`).

A length that is no power of two takes two transforms of the largest power of two p below it: of the first p
coordinates, then of the last p. They overlap, so both ends mix. mx.hadamard_transform also knows 12, 20 and 28 times
a power of two, but not all of those are their own inverse, and other lengths would need this anyway.
"""

import hashlib
from functools import cache

import mlx.core as mx
import numpy as np

_SEED = b"vivace kv rotation"


def rotate(x: mx.array) -> mx.array:
    """Along the last axis, in float32; lengths and angles stay."""
    depth = x.shape[-1]
    p = _power_of_two(depth)
    x = x * _signs(depth, b"first")
    if p == depth:
        return mx.hadamard_transform(x)
    x = mx.concatenate([mx.hadamard_transform(x[..., :p]), x[..., p:]], axis=-1) * _signs(depth, b"second")
    return mx.concatenate([x[..., :-p], mx.hadamard_transform(x[..., -p:])], axis=-1)


def rotate_back(x: mx.array) -> mx.array:
    """What `rotate` was given."""
    depth = x.shape[-1]
    p = _power_of_two(depth)
    if p == depth:
        return mx.hadamard_transform(x) * _signs(depth, b"first")
    x = mx.concatenate([x[..., :-p], mx.hadamard_transform(x[..., -p:])], axis=-1) * _signs(depth, b"second")
    return mx.concatenate([mx.hadamard_transform(x[..., :p]), x[..., p:]], axis=-1) * _signs(depth, b"first")


def _power_of_two(depth: int) -> int:
    return 1 << (depth.bit_length() - 1)


@cache
def _signs(depth: int, which: bytes) -> mx.array:
    """1 and -1, float32 `[depth]`, the same on every machine."""
    bits = np.unpackbits(np.frombuffer(hashlib.shake_256(_SEED + which).digest(-(-depth // 8)), np.uint8))
    signs = mx.array(1.0 - 2.0 * bits[:depth].astype(np.float32))
    mx.eval(signs)  # an array that is kept must belong to no thread
    return signs
