"""What a checkpoint is, whatever it is called: prefixes of one are never taken for those of another."""

import os
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

from vivace.engine.cache.chain import BLOCK

FORMAT = 1  # of what layouts and snapshots write
SAMPLES = 64  # pieces of every weight file that are read
PIECE = 16 * 1024  # bytes
SMALL = 1 << 20  # bytes; smaller files are read whole
_TEXTS = ("*.json", "*.jinja", "*.txt", "*.model")


def fingerprint(folder: Path, *facts: str) -> str:
    """A hex digest of the checkpoint's files and of `facts`: what else changes the meaning of stored bytes.

    Small files count whole. Of weights, whose size and header already tell architectures apart, pieces spread over the
    file are read: two fine-tunes of one model differ nearly everywhere.
    """
    digest = blake2b(digest_size=16)
    for text in (f"{FORMAT} {BLOCK}", version("mlx-lm"), version("mlx"), *facts):
        digest.update(text.encode() + b"\0")
    names = sorted({*(p for pattern in _TEXTS for p in folder.glob(pattern)), *folder.glob("*.safetensors")})
    for path in names:
        digest.update(f"{path.name} {path.stat().st_size}\0".encode())
        for piece in _pieces(path):
            digest.update(piece)
    return digest.hexdigest()


def _pieces(path: Path) -> list[bytes]:
    size = path.stat().st_size
    if size <= SMALL:
        return [path.read_bytes()]
    with path.open("rb") as file:
        starts = (i * (size - PIECE) // (SAMPLES - 1) for i in range(SAMPLES))
        return [os.pread(file.fileno(), PIECE, start) for start in starts]
