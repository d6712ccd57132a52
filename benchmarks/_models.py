"""Checkpoints that a benchmark can name: the embedded model, and random weights of a known shape."""

import shutil
from pathlib import Path

import mlx.core as mx

import vivace.assets
from benchmarks.shapes import SHAPES, write_checkpoint

EMBEDDED = "vivace-mini"
NAMES = (EMBEDDED, *SHAPES)

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
