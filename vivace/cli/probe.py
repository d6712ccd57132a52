"""`python -m vivace.cli.probe [kernels]`: what MLX computes with here, as one JSON object.

A process of its own, so that the command line never loads MLX and a broken driver cannot take it down. The native
kernels get another: whatever they do, what MLX does is known.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Probe:
    """`device`: cpu or gpu; `device_name`: as its maker calls it; `gflops`: of a float32 1024 × 1024 product."""

    mlx: str
    device: str
    device_name: str
    blas: str
    blas_path: str | None
    blas_how: str
    blas_threads: int
    blas_is_fast: bool
    gflops: float


@dataclass(frozen=True)
class KernelProbe:
    """The native kernels. `wrong`: why they are not used, "" when they are; `remedy`: what to do then.

    `levels`: instruction sets that passed the self-test, the one in use first; speeds as in `native_speed.Speed`.
    """

    name: str
    wrong: str = ""
    remedy: str = ""
    levels: tuple[str, ...] = ()
    gbytes: float = 0.0
    gmacs: float = 0.0
    gflops: float = 0.0


class ProbeError(Exception):
    """MLX, or the kernels, do not run here; the message is the last thing that was heard of it."""


def probe() -> Probe:
    """Measure MLX in a child process.

    Raises:
        ProbeError: it crashed, or said nothing for two minutes.
    """
    return Probe(**_child())


def probe_kernels(threads: int) -> KernelProbe:
    """Measure the native kernels, likewise; with as many threads, or 0 for one a core."""
    found = _child("kernels", str(threads))
    return KernelProbe(**{**found, "levels": tuple(found["levels"])})


def _child(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-P", "-m", "vivace.cli.probe", *words]  # -P: no module of the user's folder
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise ProbeError(f"no answer within {TIMEOUT_S:g} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise ProbeError(lines[-1] if lines else f"it ended with status {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measure() -> Probe:
    import mlx.core as mx

    from vivace.kernels import blas

    found = blas.install()  # as the engine does
    return Probe(
        mlx=metadata.version("mlx"),
        device=mx.default_device().type.name,
        device_name=str(mx.device_info().get("device_name", "unknown")),
        blas=found.name,
        blas_path=found.path,
        blas_how=found.how,
        blas_threads=found.threads,
        blas_is_fast=found.fast,
        gflops=blas.measure_gflops(),
    )


def _measure_kernels(threads: int) -> KernelProbe:
    from vivace.kernels import native, native_speed

    try:
        found = native.find(threads)
    except native.NativeError as error:
        return KernelProbe(native.PACKAGE, str(error), error.remedy)
    speed = native_speed.measure(found)
    levels = (
        found.level,
        *(level for level in found.ops.levels() if level != found.level and _passes(found.ops, level)),
    )
    return KernelProbe(str(found), levels=levels, **asdict(speed))


def _passes(ops: Any, level: str) -> bool:
    ops.set_level(level)
    return not ops.self_test()


if __name__ == "__main__":
    measured = _measure_kernels(int(sys.argv[2])) if sys.argv[1:2] == ["kernels"] else _measure()
    print(json.dumps(asdict(measured)))
