"""From a Load message to a running loop: device, model, first forwards, limits."""

import gc
import logging
import os
from pathlib import Path
from time import monotonic

from vivace.engine.admission import Limits
from vivace.engine.cache.open import open_storage
from vivace.engine.device import Device, free_bytes, prepare
from vivace.engine.loop import Emit, Loop
from vivace.engine.matcher import GrammarCompiler
from vivace.engine.models import FAULTS, LoadedModel, LoadError, load
from vivace.engine.probe import Probe, probe
from vivace.kernels.native import LEVEL
from vivace.protocol import Load, Loading, Ready

log = logging.getLogger("vivace.engine")


def build(request: Load, emit: Emit) -> tuple[Loop, Ready]:
    """Load the model and make the loop that serves it.

    Raises:
        LoadError: the checkpoint cannot be served; the message says why.
    """
    started = monotonic()
    if request.cpu_level != "auto":
        os.environ[LEVEL] = request.cpu_level
    device = prepare(request.threads, request.activations == "float32")

    def report(loaded: float) -> None:
        emit([Loading(0.9 * loaded, "reading weights")])

    model = load(Path(request.model), request.dtype, report, device.means)
    emit([Loading(0.9, "first forward")])
    try:
        runner, found = probe(model)
    except FAULTS as error:
        raise LoadError(f"{request.model}: its first forward failed: {type(error).__name__}: {error}") from error
    limits = _limits(request, device, found)
    compiler = GrammarCompiler(Path(request.model), found.vocab_size)
    storage = open_storage(request, found.caches, model.dtype, model.ops is not None)
    loop = Loop(runner, compiler, limits, found.prefill_rate, emit, storage)
    # What was loaded lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    return loop, _ready(device, model, found, limits, monotonic() - started)


def _limits(request: Load, device: Device, found: Probe) -> Limits:
    free = free_bytes()
    return Limits(
        context=request.context,
        max_batch=request.max_batch or device.max_batch,
        max_waiting=request.max_waiting,
        chunk=request.prefill_chunk or device.chunk,
        budget_s=request.prefill_budget_ms / 1000,
        vocab_size=found.vocab_size,
        cost=found.cost,
        cache_bytes=free,
        prefix_bytes=free if request.cache.ram_bytes is None else min(request.cache.ram_bytes, free),
    )


def _ready(device: Device, model: LoadedModel, found: Probe, limits: Limits, load_s: float) -> Ready:
    notes = list(model.notes)
    if found.unshared:
        notes.append(f"rows are decoded one by one: {found.unshared}")
    for note in notes:
        log.info("%s", note)
    return Ready(device.name, model.dtype, device.blas, model.weight_bytes, load_s, limits.max_batch, notes)


__all__ = ["LoadError", "build"]
