"""From the MODEL string to a checkpoint directory and the names clients may use for it. Never touches the network."""

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vivace.assets import embedded_model_path

EMBEDDED = "vivace-mini"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_LFS_POINTER = b"version https://git-lfs"
_INDEX = "model.safetensors.index.json"
_MAX_HEADER = 512 * 1024 * 1024  # bytes; no real checkpoint comes near

# What lies there instead of safetensors, and what to do about it.
_OTHER_FORMATS: tuple[tuple[str, str], ...] = (
    (
        "*.gguf",
        "it holds GGUF weights ({file}), which Vivace does not read: use the original safetensors checkpoint or an "
        "MLX version of it (the GGUF's model card links the original)",
    ),
    (
        "adapter_model.safetensors",
        "it is an adapter ({file}), not a model: fuse it into its base model first (`mlx_lm.fuse`)",
    ),
    (
        "*.bin",
        "it holds PyTorch weights only ({file}): use a safetensors version, or convert it with transformers "
        "(`AutoModelForCausalLM.from_pretrained(dir).save_pretrained(out)`)",
    ),
    ("*.pt*", "it holds PyTorch weights only ({file}): use a safetensors version of the model"),
    ("*.safetensors", "its weights must be named model*.safetensors, and {file} is not"),
)


class DiscoveryError(Exception):
    """MODEL names nothing that can be served. The message says what is missing and what to do."""


@dataclass(frozen=True)
class ModelSource:
    """What a MODEL string names.

    Attributes:
        id: the model id that clients see unless a setting names another one.
        directory: the complete checkpoint, or None: `hub_id` has to be downloaded first.
        names: other names that clients may use for it.
    """

    kind: Literal["embedded", "directory", "hub"]
    id: str
    directory: Path | None
    hub_id: str | None = None
    names: tuple[str, ...] = ()


def locate(model: str, *, hub_cache: Path | None = None) -> ModelSource:
    """Find the embedded model, a local directory, or a hub id in the local Hugging Face cache.

    Args:
        hub_cache: where the hub cache lies, if not where HF_HOME and its defaults say.

    Raises:
        DiscoveryError: it is none of these, or a checkpoint that lacks something.
    """
    if model == EMBEDDED:
        return ModelSource("embedded", EMBEDDED, checked(embedded_model_path()))
    path = Path(model).expanduser()
    if model and path.exists():
        return _local(model, path)
    if _HUB_ID.fullmatch(model):
        return ModelSource("hub", model, _cached(model, hub_cache), model, (model.split("/")[1],))
    raise DiscoveryError(
        f"There is no model {model!r}: it is neither a directory here, nor a hub id of the form org/name, nor the "
        f"embedded model {EMBEDDED!r}."
    )


def checked(directory: Path) -> Path:
    """The directory itself, if it holds a complete checkpoint.

    Raises:
        DiscoveryError: names everything that is missing.
    """
    faults = list(_faults(directory))
    if faults:
        raise DiscoveryError(f"{directory} cannot be served: {'; '.join(faults)}.")
    return directory


def usable(filenames: list[str]) -> str | None:
    """Why a repository with these files at its top level cannot be served, or None if it can."""
    weights = any(Path(name).match("model*.safetensors") for name in filenames)
    if weights and "config.json" in filenames:
        return None
    advice = None if weights else _other_format(filenames)
    return advice or "it has no config.json with model*.safetensors beside it"


def _local(model: str, path: Path) -> ModelSource:
    if path.is_file():
        advice = _other_format([path.name]) if path.suffix != ".safetensors" else None
        raise DiscoveryError(f"{model} is a file; MODEL is the directory around it. {advice or ''}".rstrip())
    resolved = path.resolve()
    name = _hub_name_of_snapshot(resolved) or resolved.name
    return ModelSource("directory", name, checked(resolved), None, (model, str(resolved), resolved.name))


def _hub_name_of_snapshot(directory: Path) -> str | None:
    """org/name for a snapshot in a Hugging Face cache, whose own name is only a commit hash."""
    repo = directory.parent.parent.name
    if directory.parent.name != "snapshots" or not repo.startswith("models--"):
        return None
    return repo.removeprefix("models--").replace("--", "/", 1)


def _cached(hub_id: str, hub_cache: Path | None) -> Path | None:
    """The snapshot of `hub_id` in the local cache, or None if there is none or it is not complete."""
    from huggingface_hub import snapshot_download  # 0.2 s that only hub ids pay
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(hub_id, cache_dir=hub_cache, local_files_only=True)
    except HFValidationError as error:
        raise DiscoveryError(f"{hub_id!r} is no directory here and cannot be a hub id: {error}") from error
    except LocalEntryNotFoundError as error:
        # A snapshot that only lacks files we never fetch (READMEs, other formats) counts as complete.
        found = getattr(error, "snapshot_path", None)
    return Path(found) if found and not list(_faults(Path(found))) else None


def _faults(directory: Path) -> Iterator[str]:
    """Everything that is wrong with a checkpoint directory, each as half a sentence."""
    if not directory.is_dir():
        yield "there is no such directory"
        return
    yield from _config_faults(directory / "config.json")
    if not (directory / "tokenizer.json").exists():
        yield "tokenizer.json is missing"
    yield from _weight_faults(directory)


def _config_faults(path: Path) -> Iterator[str]:
    if not path.exists():
        yield "config.json is missing"
        return
    config = _json_object(path)
    if config is None:
        yield "config.json is not a JSON object"
    elif "model_type" not in config:
        yield "config.json has no model_type"


def _weight_faults(directory: Path) -> Iterator[str]:
    shards = sorted(directory.glob("model*.safetensors"))
    if not shards:
        yield _other_format([entry.name for entry in directory.iterdir()]) or "model*.safetensors is missing"
        return
    missing = sorted(_indexed_shards(directory / _INDEX) - {shard.name for shard in shards})
    if missing:
        yield f"{len(missing)} of the weight files that {_INDEX} lists are missing ({', '.join(missing[:3])})"
    for shard in shards:
        fault = _shard_fault(shard)
        if fault:
            yield f"{shard.name} {fault}"


def _indexed_shards(index: Path) -> set[str]:
    listed = (_json_object(index) or {}).get("weight_map", {}) if index.exists() else {}
    return set(listed.values())


def _shard_fault(path: Path) -> str | None:
    """Tell a whole safetensors file from a truncated one and from a Git LFS pointer by its header alone."""
    if not path.exists():
        return "is a link to nothing"
    with path.open("rb") as file:
        start = file.read(8)
        if _LFS_POINTER.startswith(start) and start:
            return "is a Git LFS pointer (run `git lfs pull` there)"
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else _MAX_HEADER + 1
        try:
            header = json.loads(file.read(length)) if length <= _MAX_HEADER else None
        except ValueError:
            header = None
    end = _end_of_data(header)
    if end is None:
        return "is no safetensors file or is cut off"
    expected, actual = 8 + length + end, path.stat().st_size
    return None if actual >= expected else f"is cut off ({actual:,} of {expected:,} bytes)"


def _end_of_data(header: Any) -> int | None:
    """Bytes of all tensors that a safetensors header describes, or None if it is no such header."""
    try:
        return max(
            (int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"), default=0
        )
    except (AttributeError, TypeError, KeyError, IndexError, ValueError):
        return None


def _other_format(filenames: list[str]) -> str | None:
    for pattern, advice in _OTHER_FORMATS:
        matching = [name for name in sorted(filenames) if Path(name).match(pattern)]
        if matching:
            return advice.format(file=matching[0])
    return None


def _json_object(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
