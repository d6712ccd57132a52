"""exp and what is made of it (sigmoid, silu, softmax) for MLX's CPU build, where the stock ones are scalar.

Stock `mx.exp` costs 9 ns an element on an x86 CPU while a multiplication costs 0.1 ns, and most of a prefill that has
a good BLAS is spent in it. Here exp(x) = 2^n · e^r with n = round(x / ln 2) and a polynomial for e^r (Cephes'
coefficients): adding 1.5 · 2^23 rounds, and leaves n in the low bits, from where a shift makes it an exponent.
Relative error below 3e-7, stock: 1.5e-6. Small arrays, other dtypes and GPUs keep the stock operations.
"""

from functools import partial

import mlx.core as mx

# Below this many elements the fixed cost of some twenty operations outweighs the stock loop.
_SMALLEST = 8192
# float32's exponent field must stay within 1..254: e^-87.3 is its smallest normal number.
_LOWEST, _HIGHEST = -87.3, 88.3
_LOG2_E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 0.693359375, -2.12194440e-4
# Rounds to an integer when added, and leaves that integer plus float32's exponent bias in the low bits.
_ROUND = 12582912.0
_BIASED_ROUND = _ROUND + 127.0
_COEFFICIENTS = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)


def exp(x: mx.array) -> mx.array:
    """e^x of any shape. Large float32 arrays on the CPU: within [1.2e-38, 2.2e38], so -inf gives 1.2e-38, not 0."""
    if not _worthwhile(x):
        return mx.exp(x)
    biased, fraction = _decompose(x.reshape(-1))
    return (fraction * (biased.view(mx.int32) << 23).view(mx.float32)).reshape(x.shape)


def sigmoid(x: mx.array) -> mx.array:
    """1 / (1 + e^-x) of any shape and dtype."""
    return 1.0 / (1.0 + exp(-x)) if _worthwhile(x) else mx.sigmoid(x)


def silu(x: mx.array) -> mx.array:
    """x · sigmoid(x) of any shape and dtype."""
    return x / (1.0 + exp(-x)) if _worthwhile(x) else x * mx.sigmoid(x)


def swiglu(gate: mx.array, x: mx.array) -> mx.array:
    """silu(gate) · x, of equal shapes."""
    return silu(gate) * x


def precise_swiglu(like: mx.array, gate: mx.array, x: mx.array) -> mx.array:
    """silu(gate) · x in float32, of equal shapes; in the dtype of `like`."""
    return (silu(gate.astype(mx.float32)) * x.astype(mx.float32)).astype(like.dtype)


def softmax(x: mx.array) -> mx.array:
    """Softmax over the last axis. A row must have at least one entry above -inf; -inf gets 0 within 1e-38."""
    if not _worthwhile(x):
        return mx.softmax(x, axis=-1, precise=True)
    weights = exp(x - mx.max(x, axis=-1, keepdims=True))
    return weights / mx.sum(weights, axis=-1, keepdims=True)


def _worthwhile(x: mx.array) -> bool:
    return x.size >= _SMALLEST and x.dtype == mx.float32 and mx.default_device() == mx.cpu


@partial(mx.compile, shapeless=True)
def _decompose(x: mx.array) -> tuple[mx.array, mx.array]:
    """float32 [N] → n + bias in the low bits of a float, and e^r.

    Flat on purpose: MLX builds one fused loop per layout with the C++ compiler, where there is one, and a layout that
    first appears in mid-service would wait for it.
    """
    x = mx.minimum(mx.maximum(x, _LOWEST), _HIGHEST)
    biased = x * _LOG2_E + _BIASED_ROUND
    n = biased - _BIASED_ROUND
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = mx.array(_COEFFICIENTS[0])
    for c in _COEFFICIENTS[1:]:
        p = p * r + c
    return biased, p * r * r + r + 1.0
