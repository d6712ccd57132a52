"""Gated DeltaNet off Metal: ours against mlx-lm's loop, one layer, float32, the same BLAS under both; and the kernel of
vivace-cpu where it is built.

Run with `python -m benchmarks.gated_delta`. All alternate; medians. A case whose loop would take more than 30 seconds
altogether is left out and says so.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx_lm.models import gated_delta as stock

from benchmarks._report import report
from vivace.kernels import blas
from vivace.kernels.gated_delta import gated_delta_update
from vivace.kernels.memory import keep_freed_memory
from vivace.kernels.native import Native, load

# Name → key heads, value heads, head dim.
_LAYERS = {"vivace-mini": (6, 6, 64), "Qwen3.5-9B": (16, 32, 128)}
_TOKENS = (1, 64, 512, 2048)
_LONGEST_S = 30.0
_REPEAT = 5

Run = Callable[[], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=0, help="0: Vivace's default")
    options = parser.parse_args()
    keep_freed_memory()
    info = blas.install(options.threads)
    native = load(info.threads)
    rows = []
    for name, layer in _LAYERS.items():
        second_per_token = 0.0
        for tokens in _TOKENS:
            expected_s = second_per_token * tokens * (_REPEAT + 1)
            row, second_per_token = _measure(layer, tokens, native, with_stock=expected_s < _LONGEST_S)
            rows.append({"layer": name, "threads": info.threads, **row})
    report("gated_delta", rows, command=f"python -m benchmarks.gated_delta --threads {info.threads}")


def _measure(
    layer: tuple[int, int, int], tokens: int, native: Native | None, *, with_stock: bool
) -> tuple[dict[str, Any], float]:
    """One row of the table, and the loop's seconds a token, which are at most those of the last case it ran."""
    inputs = _inputs(*layer, tokens)
    runs: dict[str, Run] = {"ours_ms": lambda: gated_delta_update(*inputs)}
    if native:
        runs["native_ms"] = lambda: native.ops.gated_delta_update(*inputs)
    if with_stock:
        runs["mlx_lm_ms"] = lambda: stock.gated_delta_update(*inputs)
    taken = _interleaved(list(runs.values()), _REPEAT, inner=20 if tokens == 1 else 1)
    ms: dict[str, float | None] = {"ours_ms": None, "native_ms": None, "mlx_lm_ms": None}
    ms |= {name: seconds * 1e3 for name, seconds in zip(runs, taken, strict=True)}
    row = {"tokens": tokens, **ms, "ratio": taken[-1] / taken[0] if with_stock else None}
    return row, taken[-1] / tokens if with_stock else 1.0


def _inputs(key_heads: int, value_heads: int, dim: int, tokens: int) -> list[mx.array]:
    """q, k, v, a, b, A_log, dt_bias, state, as a layer hands them over."""
    q, k = (mx.random.normal((1, tokens, key_heads, dim)) for _ in range(2))
    q, k = stock.normalize_qk(q, k, inv_scale=dim**-0.5, eps=1e-6)
    v = mx.random.normal((1, tokens, value_heads, dim))
    a, b = (mx.random.normal((1, tokens, value_heads)) for _ in range(2))
    state = mx.random.normal((1, value_heads, dim, dim))
    inputs = [q, k, v, a, b, mx.zeros(value_heads), mx.ones(value_heads), state]
    mx.eval(inputs)
    return inputs


def _interleaved(runs: list[Run], repeat: int, inner: int) -> list[float]:
    """Median seconds of each, taking turns; `inner` calls are evaluated together so that decode shows its own cost."""
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(repeat + 1):
        for run, taken in zip(runs, times, strict=True):
            start = time.perf_counter()
            mx.eval([run() for _ in range(inner)])
            if turn:  # the first one warms up
                taken.append((time.perf_counter() - start) / inner)
    return [statistics.median(taken) for taken in times]


if __name__ == "__main__":
    main()
