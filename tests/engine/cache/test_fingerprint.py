"""Two checkpoints never share a fingerprint, wherever they lie."""

import shutil

from tests.random_models import random_checkpoint
from vivace.engine.cache.fingerprint import fingerprint


def test_it_is_that_of_the_content(tmp_path):
    one = random_checkpoint(tmp_path / "one", "qwen3")
    copy = shutil.copytree(one, tmp_path / "elsewhere")
    other = random_checkpoint(tmp_path / "other", "qwen3", seed=1)  # the same shapes
    assert fingerprint(one) == fingerprint(copy)
    assert fingerprint(one) != fingerprint(other)


def test_facts_count(tmp_path):
    model = random_checkpoint(tmp_path / "one", "qwen3")
    assert len({fingerprint(model), fingerprint(model, "float16"), fingerprint(model, "float16", "q8")}) == 3


def test_a_large_file_is_sampled_and_its_end_counts(tmp_path):
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(bytes(5_000_000))
    before = fingerprint(tmp_path)
    data = bytearray(5_000_000)
    data[-1] = 1
    weights.write_bytes(data)
    assert fingerprint(tmp_path) != before
