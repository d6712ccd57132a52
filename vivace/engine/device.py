"""The device that computes, made ready: BLAS, memory, compiler."""

import logging
import platform
import shutil
from dataclasses import dataclass

import mlx.core as mx
import psutil

from vivace.engine.native.layers import Kernels
from vivace.engine.seams import STOCK, Means, on_cpu
from vivace.kernels import blas
from vivace.kernels.memory import give_back_freed_memory, keep_freed_memory
from vivace.kernels.native import load
from vivace.kernels.threads import division, usable_cores

log = logging.getLogger("vivace.engine")

KEPT_FREE, KEPT_FREE_SHARE = 1 << 30, 0.05  # bytes, and share of all memory, that the prefix cache leaves to others
FREED_BUFFERS = 512 * 1024 * 1024  # bytes of freed arrays that MLX may keep for reuse


@dataclass(frozen=True)
class Device:
    """`name` for people; `blas`: what computes dense products. `max_batch`, `chunk`: what suits the device.

    `means`: what computes models where that is a CPU.
    """

    name: str
    blas: str
    max_batch: int
    chunk: int
    means: Means = STOCK


def prepare(threads: int, exact: bool = False) -> Device:
    """Make the default device ready before anything is computed.

    Args:
        threads: of products on a CPU; 0: by cores.
        exact: quantized weights meet float32 activations there, not int8 ones.
    """
    mx.set_cache_limit(FREED_BUFFERS)
    if on_cpu():
        return _prepare_cpu(threads, exact)
    library = _install_blas(0)
    facts = mx.device_info()
    wired = facts.get("max_recommended_working_set_size")
    if wired:
        mx.set_wired_limit(int(wired))
    return Device(str(facts.get("device_name", mx.default_device())), library, max_batch=64, chunk=2048)


def _prepare_cpu(threads: int, exact: bool) -> Device:
    keep_freed_memory()
    _check_compiler()
    native = load(threads)
    if native is None:
        streams, blas_threads = division(threads, usable_cores())
        library, means = _install_blas(blas_threads), Means(streams=streams)
        name = f"CPU ({platform.machine()})"
    else:
        library, means = _install_blas(1), Means(Kernels(native.ops, exact))
        name = f"CPU ({platform.machine()}, {native.level}, {native.threads} thread{'s' if native.threads > 1 else ''})"
    return Device(name, library, max_batch=16, chunk=512, means=means)


def _install_blas(threads: int) -> str:
    library = blas.install(threads)
    log.info("BLAS: %s", library)
    return str(library)


def give_back() -> None:
    """Memory that is kept for reuse goes back to the system, for when nothing is to be computed for a while."""
    mx.clear_cache()
    if on_cpu():
        give_back_freed_memory()


def free_bytes() -> int:
    """Memory that caches may take once the weights are loaded, with some left for activations and the system."""
    if on_cpu():
        return int(0.8 * psutil.virtual_memory().available)
    facts = mx.device_info()
    whole = int(facts.get("max_recommended_working_set_size") or facts.get("total_memory") or 0)
    return max(0, int(0.9 * whole) - mx.get_active_memory())


def spare_bytes() -> int:
    """Memory of the system that is available beyond what is left to other programs; negative if they lack some."""
    memory = psutil.virtual_memory()
    return int(memory.available - max(KEPT_FREE, KEPT_FREE_SHARE * memory.total))


def _check_compiler() -> None:
    """MLX compiles fused CPU kernels with the machine's g++ when they are first used; without, one by one is slower.

    The warning about missing kernels of ours names g++ too: one is enough.
    """
    if shutil.which("g++") is None:
        mx.disable_compile()
        log.info("no g++ found: MLX cannot fuse operations")
