"""Attention of vivace-cpu beside MLX's and that of vivace.kernels, with the heads of Qwen3-0.6B, float32 activations.

Run with `python -m benchmarks.cpu_attention`. All take turns; the best turn counts, since what else runs on the machine
can only make a turn slower. GB/s are of reading keys and values once, GFLOP/s of what a causal mask leaves to compute.
Rows of a batch are slabs of their own, which MLX and vivace.kernels get one by one; both multiply with Vivace's BLAS.
On a busy machine use `--threads 1`: threads of that BLAS wait for one another.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import vivace_cpu

from benchmarks._report import report
from vivace.kernels import blas
from vivace.kernels.attention import attention
from vivace.kernels.memory import keep_freed_memory

_HEADS, _KV_HEADS, _DIM = 16, 8, 128
_SCALE = _DIM**-0.5
# Rows, queries, keys.
_DECODE = [(1, 1, 512), (1, 1, 4096), (1, 1, 16384), (8, 1, 512), (8, 1, 4096), (1, 8, 4096)]
_PREFILL = [(1, 512, 512), (1, 2048, 2048), (1, 4096, 4096), (1, 512, 4096)]
_TURNS = 10
_ENOUGH_S = 1.5

Run = Callable[[], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=0, help="0: the default of vivace-cpu")
    options = parser.parse_args()
    if options.threads:
        vivace_cpu.set_threads(options.threads)
    threads = vivace_cpu.threads()
    keep_freed_memory()
    blas.install(threads)
    rows = [
        {"threads": threads, "kv": str(dtype).rpartition(".")[2], **_measure(*case, dtype)}
        for dtype in (mx.float16, mx.float32)
        for case in _DECODE + _PREFILL
    ]
    report("cpu_attention", rows, command=f"python -m benchmarks.cpu_attention --threads {threads}")


def _measure(count: int, queries: int, keys: int, dtype: mx.Dtype) -> dict[str, Any]:
    q = mx.random.normal((count, _HEADS, queries, _DIM))
    k, v = ([mx.random.normal((1, _KV_HEADS, keys + 256, _DIM)).astype(dtype) for _ in range(count)] for _ in range(2))
    mx.eval(q, k, v)
    causal = queries > 1

    def ours() -> mx.array:
        starts, ends = [0] * count, [keys] * count
        return vivace_cpu.ragged_attention(q, k, v, starts, ends, scale=_SCALE, causal=causal)

    def stock() -> mx.array:
        return _row_by_row(
            lambda *qkv: mx.fast.scaled_dot_product_attention(*qkv, scale=_SCALE, mask="causal" if causal else None)
        )

    def graph() -> mx.array:
        return _row_by_row(lambda *qkv: attention(*qkv, scale=_SCALE, causal=causal))

    def _row_by_row(one: Callable[..., mx.array]) -> mx.array:
        return mx.concatenate([one(q[i : i + 1], k[i][:, :, :keys], v[i][:, :, :keys]) for i in range(count)])

    ours_s, stock_s, graph_s = _best([ours, stock, graph])
    seen = keys - (queries - 1) / 2
    products = count * _HEADS * queries * seen * 2 * _DIM
    return {
        "rows": count,
        "queries": queries,
        "keys": keys,
        "ours_ms": ours_s * 1e3,
        "gb_per_s": count * _KV_HEADS * keys * 2 * _DIM * dtype.size / ours_s / 1e9,
        "gflop_per_s": 2 * products / ours_s / 1e9,
        "mlx_ratio": stock_s / ours_s,
        "vivace_kernels_ratio": graph_s / ours_s,
    }


def _best(runs: list[Run]) -> list[float]:
    """Least seconds of each, taking turns, until a run has had all turns or its share of the time."""
    best = [float("inf")] * len(runs)
    spent = [0.0] * len(runs)
    for _ in range(_TURNS):
        for i, run in enumerate(runs):
            if spent[i] > _ENOUGH_S:
                continue
            start = time.perf_counter()
            mx.eval(run())
            seconds = time.perf_counter() - start
            spent[i] += seconds
            best[i] = min(best[i], seconds)
    return best


if __name__ == "__main__":
    main()
