"""What the package brings along: the embedded checkpoint."""

from pathlib import Path


def embedded_model_path() -> Path:
    """Directory of the embedded checkpoint, in mlx-lm's format (config.json, safetensors, tokenizer.json)."""
    return Path(__file__).resolve().parent / "vivace-mini"
