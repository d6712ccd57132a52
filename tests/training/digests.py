"""Digests of the data that Vivace Mini was trained and judged on, recorded from the code that trained it.

A change of any of them means that the recipe makes other data than the released weights have seen.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.sample import Sample

RECORDED: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parent / "vectors" / "sample_digests.json").read_text(encoding="utf-8")
)


def fields(sample: Sample) -> list[Any]:
    return [
        sample.skill,
        sample.messages,
        sample.tools,
        sample.check,
        sample.think,
        sample.plain,
        sample.tags,
    ]


def digest(samples: Iterable[Sample]) -> str:
    """SHA-256 over one JSON line per sample."""
    sha = hashlib.sha256()
    for sample in samples:
        sha.update(json.dumps(fields(sample), ensure_ascii=False).encode() + b"\n")
    return sha.hexdigest()
