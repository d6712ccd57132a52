"""How quick the native kernels are on this machine, for `vivace doctor`."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx

from vivace.kernels.native import Native

_BUDGET_S = 0.4  # of each measurement
_GROUP, _BITS = 64, 4


@dataclass(frozen=True)
class Speed:
    """`gbytes`: GB/s of 4-bit weights that one token reads from memory; `gmacs`: 10^9 multiply-adds/s of a prompt with
    them (activations in int8); `gflops`: 10^9 operations/s of a product in float32."""

    gbytes: float
    gmacs: float
    gflops: float


def measure(native: Native) -> Speed:
    """Takes about a second and a half."""
    decode = _quantized(native, rows=1, inputs=8192, outputs=16384)  # 75 MB: no cache holds it
    prompt = _quantized(native, rows=128, inputs=4096, outputs=2048)
    x, w = mx.random.normal((256, 1024)), mx.random.normal((1024, 1024))
    mx.eval(x, w)
    nbytes = 8192 * 16384 * (_BITS / 8 + 4 / _GROUP)  # scale and bias of two bytes each
    return Speed(
        gbytes=nbytes / _best_s(decode) / 1e9,
        gmacs=128 * 4096 * 2048 / _best_s(prompt) / 1e9,
        gflops=2 * 256 * 1024 * 1024 / _best_s(lambda: native.ops.matmul(x, w)) / 1e9,
    )


def _quantized(native: Native, rows: int, inputs: int, outputs: int) -> Callable[[], mx.array]:
    x = mx.random.normal((rows, inputs)).astype(mx.bfloat16)
    words = mx.random.randint(0, 2**31 - 1, (outputs, inputs * _BITS // 32)).astype(mx.uint32)
    scales = mx.full((outputs, inputs // _GROUP), 0.01, mx.bfloat16)
    w = native.ops.Packed(words, scales, scales, group_size=_GROUP, bits=_BITS)
    mx.eval(x)
    return lambda: native.ops.quantized_matmul(x, w)


def _best_s(compute: Callable[[], mx.array]) -> float:
    """Seconds of the quickest call; other work on the machine can only slow one down."""
    mx.eval(compute())
    best_s, deadline = float("inf"), time.perf_counter() + _BUDGET_S
    while time.perf_counter() < deadline:
        start = time.perf_counter()
        mx.eval(compute())
        best_s = min(best_s, time.perf_counter() - start)
    return best_s
