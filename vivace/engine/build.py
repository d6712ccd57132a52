"""From a Load message to a running loop: BLAS, model, first forwards, limits."""

import gc
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from vivace.kernels import blas

BLAS = blas.install()  # before anything is computed

import mlx.core as mx  # noqa: E402

from vivace.engine.loop import Limits, Loop  # noqa: E402
from vivace.engine.matcher import GrammarCompiler  # noqa: E402
from vivace.engine.models import LoadedModel, LoadError, load  # noqa: E402
from vivace.engine.probe import Probe, probe  # noqa: E402
from vivace.engine.runner import Runner  # noqa: E402
from vivace.engine.seams import on_cpu  # noqa: E402
from vivace.kernels.memory import keep_freed_memory  # noqa: E402
from vivace.protocol import FromEngine, Load, Loading, Ready  # noqa: E402

log = logging.getLogger("vivace.engine")
Emit = Callable[[list[FromEngine]], None]

CPU_BATCH, GPU_BATCH = 16, 64
CPU_CHUNK, GPU_CHUNK = 512, 2048
FREED_BUFFERS = 512 * 1024 * 1024  # bytes of freed arrays that MLX may keep for reuse


def build(request: Load, emit: Emit) -> tuple[Loop, Ready]:
    """Load the model and make the loop that serves it.

    Raises:
        LoadError: the checkpoint cannot be served; the message says why.
    """
    started = monotonic()
    _prepare_device()
    model = load(Path(request.model), request.dtype, lambda done: emit([Loading(done * 0.9, "reading weights")]))
    emit([Loading(0.9, "first forward")])
    runner, found = probe(model)
    loop = _loop(request, runner, found, emit)
    # What was loaded lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    return loop, _ready(request, model, found, monotonic() - started)


def _prepare_device() -> None:
    mx.set_cache_limit(FREED_BUFFERS)
    if on_cpu():
        keep_freed_memory()
        # MLX compiles fused CPU kernels with the machine's g++ when they are first used.
        if shutil.which("g++") is None:
            mx.disable_compile()
            log.warning("no g++ found: MLX cannot fuse operations, expect some slowdown (install g++ to mend it)")
        return
    wired = mx.device_info().get("max_recommended_working_set_size")
    if wired:
        mx.set_wired_limit(int(wired))


def _loop(request: Load, runner: Runner, found: Probe, emit: Emit) -> Loop:
    limits = Limits(
        context=request.context,
        max_batch=request.max_batch or (CPU_BATCH if on_cpu() else GPU_BATCH),
        max_waiting=request.max_waiting,
        chunk=request.prefill_chunk or (CPU_CHUNK if on_cpu() else GPU_CHUNK),
        budget_s=request.prefill_budget_ms / 1000,
        vocab_size=found.vocab_size,
        prefill_rate=found.prefill_rate,
    )
    compiler = GrammarCompiler(Path(request.model), found.vocab_size, request.stop_ids)
    return Loop(runner, compiler, limits, emit)


def _ready(request: Load, model: LoadedModel, found: Probe, load_s: float) -> Ready:
    notes = list(model.notes)
    if found.unshared:
        notes.append(f"rows are decoded one by one: {found.unshared}")
    for note in notes:
        log.info("%s", note)
    log.info("BLAS: %s", BLAS)
    return Ready(
        device=str(mx.default_device()),
        dtype=model.dtype,
        blas=str(BLAS),
        weight_bytes=model.weight_bytes,
        load_s=load_s,
        max_batch=request.max_batch or (CPU_BATCH if on_cpu() else GPU_BATCH),
        notes=notes,
    )


__all__ = ["LoadError", "build"]
