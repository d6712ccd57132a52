"""`vivace info`: what a model is, how it is read and written, and how much memory it takes."""

import json
import sys
from collections import Counter
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from vivace.chat.checkpoint import ChatModel, Checkpoint, CheckpointError
from vivace.cli import tensors
from vivace.cli.errors import CliError
from vivace.cli.models import fetched
from vivace.cli.options import load
from vivace.cli.terminal import size
from vivace.engine.sizing import dequantizes
from vivace.fleet.memory import memory_estimate, memory_facts
from vivace.settings import Settings

JSON = dict[str, Any]
CONTEXTS = (2_048, 8_192, 32_768, 131_072, 262_144, 1_048_576)
_FLOAT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def command(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="as for `vivace serve`; the settings' by default")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Show what a model is and how much memory it takes.

    Architecture, size, context, the dialects chosen and why, stop tokens, and the memory of one conversation at several
    lengths. Reads the files beside the weights; a hub id that is not here yet is downloaded.
    """
    settings = load({"model": model} if model else {}).settings
    source, directory = fetched(settings.model)
    facts = describe(source.id, directory, settings)
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        _show(facts)


def describe(name: str, directory: Path, settings: Settings) -> JSON:
    """All facts as JSON; bytes and tokens are integers.

    Raises:
        CliError: something in the directory makes no sense.
    """
    try:
        chat = ChatModel.load(
            directory, tool_dialect=settings.tool_dialect, reasoning_dialect=settings.reasoning_dialect
        )
    except CheckpointError as error:
        raise CliError(str(error)) from None
    return {
        "model": name,
        "directory": str(directory),
        **_architecture(chat.checkpoint),
        "dialects": {
            kind: {"name": chosen, "reason": chat.dialect_reasons[kind]}
            for kind, chosen in (("tool", chat.tool_dialect), ("reasoning", chat.reasoning_dialect))
        },
        "stop_tokens": {str(i): chat.tokenizer.id_to_token(i) for i in chat.checkpoint.stop_ids},
        "memory": _memory(chat.checkpoint, settings.dtype, _computes_on_cpu(), _has_kernels(settings.cpu_level)),
    }


def _architecture(checkpoint: Checkpoint) -> JSON:
    quantized = checkpoint.quantization
    read = tensors.read(checkpoint.path)
    return {
        "architecture": checkpoint.architecture,
        "model_type": checkpoint.model_type,
        "parameters": tensors.parameters(read, quantized.group_size if quantized else None),
        "bytes_on_disk": checkpoint.weight_bytes,
        "quantization": {"bits": quantized.bits, "group_size": quantized.group_size, "mode": quantized.mode}
        if quantized
        else None,
        "layers": dict(Counter(checkpoint.layer_kinds)),
        "hidden_size": checkpoint.hidden_size,
        "heads": checkpoint.heads,
        "kv_heads": checkpoint.kv_heads,
        "head_dim": checkpoint.head_dim,
        "vocabulary": checkpoint.vocab_size,
        "context": checkpoint.context_length,
        "generation_defaults": checkpoint.generation_defaults,
    }


def _memory(checkpoint: Checkpoint, dtype: str, on_cpu: bool, kernels: bool) -> JSON:
    """Weights, and one sequence at several lengths. `kernels`: a CPU has ours, which take weights as stored."""
    number = float_bytes(dtype, on_cpu and not kernels)
    stored = sum(tensor.nbytes for tensor in tensors.read(checkpoint.path).values())
    weights = stored if on_cpu and kernels else _weights(checkpoint, number, on_cpu)
    facts = memory_facts(checkpoint.config, weights, number)
    lengths = sorted(
        {length for length in CONTEXTS if length < checkpoint.context_length} | {checkpoint.context_length}
    )
    estimates = [memory_estimate(facts, length) for length in lengths]
    return {
        "bytes_per_number": number,
        "weights": weights,
        "sequence": [{"context": e.context, "kv": e.kv, "state": e.recurrent, "total": e.total} for e in estimates],
    }


def _weights(checkpoint: Checkpoint, number: int, on_cpu: bool) -> int:
    """Bytes as the engine loads them, with `number` bytes per floating-point number."""
    read, quantized = tensors.read(checkpoint.path), checkpoint.quantization
    if quantized and on_cpu:
        dense = number * tensors.parameters(read, quantized.group_size)
        if dequantizes(dense, psutil.virtual_memory().available):
            return dense
    return tensors.loaded_bytes(read, number)


def float_bytes(dtype: str, on_cpu: bool) -> int:
    """Of one number in the engine: "auto" is float32 on a CPU, half precision elsewhere."""
    return _FLOAT_BYTES.get(dtype, 4 if on_cpu else 2)


def _has_kernels(cpu_level: str) -> bool:
    """Whether the CPU kernels are installed and not switched off; if they work is the engine's to find out."""
    return cpu_level != "off" and find_spec("vivace_cpu") is not None


def _computes_on_cpu() -> bool:
    """From the build that is installed, so that MLX need not be loaded to say it."""
    if sys.platform == "darwin":
        return False
    return not any(dist.name.startswith("mlx-cuda") for dist in metadata.distributions() if dist.name)


def _show(facts: JSON) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for name, value in _lines(facts):
        console.print(Text.assemble((f"{name:<19}", "bold"), value))
    table = Table("context", "KV cache", "state", "with weights", box=None, header_style="bold")
    for row in facts["memory"]["sequence"]:
        table.add_row(f"{row['context']:,}", *(size(row[column]) for column in ("kv", "state", "total")))
    console.print(Text("\nmemory of one sequence", "bold"))
    console.print(table)


def _lines(facts: JSON) -> list[tuple[str, str]]:
    quantized, memory = facts["quantization"], facts["memory"]
    written = f"{quantized['bits']} bits, group {quantized['group_size']}, {quantized['mode']}" if quantized else "none"
    stops = ", ".join(f"{number} {text}" for number, text in facts["stop_tokens"].items()) or "none"
    return [
        ("model", facts["model"]),
        ("directory", facts["directory"]),
        ("architecture", f"{facts['architecture']} ({facts['model_type']})"),
        ("size", f"{_count(facts['parameters'])} parameters, {size(facts['bytes_on_disk'])} on disk"),
        ("quantization", written),
        ("layers", ", ".join(f"{count} {kind}" for kind, count in facts["layers"].items())),
        ("context", f"{facts['context']:,} tokens"),
        *((f"{kind} dialect", f"{d['name']} ({d['reason']})") for kind, d in facts["dialects"].items()),
        ("stop tokens", stops),
        ("weights", f"{size(memory['weights'])} in memory; keys and values in {8 * memory['bytes_per_number']} bits"),
    ]


def _count(number: int) -> str:
    unit, name = next((u, n) for u, n in ((1e9, " B"), (1e6, " M"), (1, "")) if number >= u or u == 1)
    return f"{number / unit:.4g}{name}"
