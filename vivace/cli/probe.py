"""`python -m vivace.cli.probe`: what MLX computes with here, as one JSON object.

A process of its own, so that the command line never loads MLX and a broken driver cannot take it down.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata

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


class ProbeError(Exception):
    """MLX does not run here; the message is the last thing that was heard of it."""


def probe() -> Probe:
    """Measure in a child process.

    Raises:
        ProbeError: it crashed, or said nothing for two minutes.
    """
    command = [sys.executable, "-P", "-m", "vivace.cli.probe"]  # -P: no module of the user's folder
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise ProbeError(f"no answer within {TIMEOUT_S:g} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise ProbeError(lines[-1] if lines else f"it ended with status {done.returncode}")
    return Probe(**json.loads(done.stdout))


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


if __name__ == "__main__":
    print(json.dumps(asdict(_measure())))
