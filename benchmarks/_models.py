"""Models that a benchmark can name: the embedded one, and random weights of a known shape, also for llama.cpp."""

import json
import shutil
import subprocess
from pathlib import Path

import mlx.core as mx

import vivace.assets
from benchmarks._twins import formats_of
from benchmarks.shapes import SHAPES, write_checkpoint

EMBEDDED = "vivace-mini"
NAMES = (EMBEDDED, *SHAPES)

_ROOT = Path(__file__).parent.parent
_TEXT_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def checkpoint(name: str, folder: Path) -> Path:
    """The model's directory. Random ones are written to `folder`: bfloat16, with the tokenizer of the embedded one."""
    embedded = Path(vivace.assets.__file__).parent / EMBEDDED
    if name == EMBEDDED:
        return embedded
    path = write_checkpoint(folder / name, name, mx.bfloat16)
    for file in _TEXT_FILES:
        shutil.copyfile(embedded / file, path / file)
    return path


def name_and_bits(model: str) -> tuple[str, int]:
    """Of "qwen3-0.6b-4bit", and of the embedded model."""
    name, _, bits = model.rpartition("-")
    return (EMBEDDED, 8) if model == EMBEDDED else (name, int(bits.removesuffix("bit")))


def quantized_checkpoint(model: str, folder: Path) -> Path:
    """The model's directory, written to `folder` unless it is there: affine in groups of 64, no tokenizer."""
    if model == EMBEDDED:
        return checkpoint(EMBEDDED, folder)
    path = folder / model
    if not (path / "config.json").exists():
        write_checkpoint(path, name_and_bits(model)[0], mx.bfloat16, name_and_bits(model)[1])
    return path


def twins_of(path: Path, bits: int, folder: Path, python: str) -> list[Path]:
    """GGUF files like the checkpoint, written to `folder` unless they are there by a `python` that has gguf."""
    config = path / "config.json"
    folder.mkdir(parents=True, exist_ok=True)
    twins = []
    for kind in formats_of(json.loads(config.read_text()), bits):
        twins.append(folder / f"{path.name}-{kind}.gguf")
        if not twins[-1].exists():
            part = twins[-1].with_suffix(".part")
            subprocess.run([python, "-m", "benchmarks._twins", config, kind, part], check=True, cwd=_ROOT)
            part.rename(twins[-1])
    return twins


def vocabulary_size(path: Path) -> int:
    """Width of the checkpoint's logits."""
    config = json.loads((path / "config.json").read_text())
    return int(config.get("text_config", config)["vocab_size"])
