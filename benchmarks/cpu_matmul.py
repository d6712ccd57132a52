"""Quantized products on a CPU: vivace_cpu beside stock MLX and float32 BLAS, by rows of x.

Run with `python -m benchmarks.cpu_matmul`. Weights are read from memory, not from a cache: turns take different copies
of them. All take turns; the shortest time counts, since whatever else runs on the machine only adds to it. Stock gets
few rows only, and once: it needs seconds for what takes milliseconds here.
"""

import argparse
import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

import mlx.core as mx
import vivace_cpu

from benchmarks._report import report
from vivace.kernels import blas
from vivace.kernels.memory import keep_freed_memory

_SHAPES = {"qkv": (4096, 1024), "gate_up": (6144, 1024), "down": (1024, 3072)}  # [n, k] of a model of 0.6B
_ROWS = (1, 8, 64, 512)
_COLD_BYTES = 96 << 20  # of copies: more than a cache keeps
_STOCK_ROWS = 8

Run = Callable[[], mx.array]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=0, help="0: all processors")
    parser.add_argument("--shape", choices=_SHAPES, default="gate_up")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each figure")
    options = parser.parse_args()
    keep_freed_memory()
    blas.install(options.threads)
    if options.threads:
        vivace_cpu.set_threads(options.threads)
    n, k = _SHAPES[options.shape]
    rows = [_measure(n, k, bits, m, options.seconds) for bits in (4, 8) for m in _ROWS]
    command = f"python -m benchmarks.cpu_matmul --threads {vivace_cpu.threads()} --shape {options.shape}"
    report("cpu_matmul", rows, command=command)


def _measure(n: int, k: int, bits: int, m: int, seconds: float) -> dict[str, Any]:
    """GB/s of weights read and 10^9 multiply-adds a second."""
    dense = mx.random.normal((n, k))
    form = {"bits": bits, "group_size": 64}
    parts = [part if part.dtype == mx.uint32 else part.astype(mx.bfloat16) for part in mx.quantize(dense, **form)]
    nbytes = sum(part.nbytes for part in parts)
    copies = cycle([vivace_cpu.Packed(*parts, **form) for _ in range(max(1, _COLD_BYTES // nbytes) if m < 64 else 1)])
    x = mx.random.normal((m, k))
    mx.eval(x, dense)
    runs: dict[str, Run] = {
        "int8": lambda: vivace_cpu.quantized_matmul(x, next(copies)),
        "exact": lambda: vivace_cpu.quantized_matmul(x, next(copies), exact=True),
        "blas_f32": lambda: x @ dense.T,
    }
    best_s = _best(runs, seconds)
    if m <= _STOCK_ROWS:
        wide = [part if part.dtype == mx.uint32 else part.astype(mx.float32) for part in parts]
        best_s |= _best({"stock": lambda: mx.quantized_matmul(x, *wide, **form)}, 0.0)
    row: dict[str, Any] = {"bits": bits, "rows": m, "n": n, "k": k, "threads": vivace_cpu.threads()}
    row |= {f"{name}_gb_s": nbytes / best_s[name] / 1e9 for name in ("int8", "exact")}
    row |= {f"{name}_gmac_s": m * n * k / taken / 1e9 for name, taken in best_s.items()}
    return row


def _best(runs: dict[str, Run], seconds: float) -> dict[str, float]:
    """Shortest time of each, taking turns."""
    best = dict.fromkeys(runs, float("inf"))
    start = time.perf_counter()
    for turn in range(1000):
        if turn > 1 and time.perf_counter() - start > seconds * len(runs):
            break
        for name, run in runs.items():
            begin = time.perf_counter()
            mx.eval(run())
            best[name] = min(best[name], time.perf_counter() - begin)
    return best


if __name__ == "__main__":
    main()
