"""Loading through mlx-lm: what is no model is one error with a reason, and caches become ours."""

import json
import subprocess
import sys

import pytest
from mlx_lm.models.cache import ArraysCache

from tests.random_models import CONFIGS, WINDOW, random_checkpoint
from vivace.engine.cache.slab import Slab
from vivace.engine.models import LoadError, load

QWEN3 = CONFIGS["qwen3"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (QWEN3 | {"model_type": "no_such"}, "no_such not supported"),
        (QWEN3 | {"hidden_size": 32}, "shape"),
        (QWEN3 | {"num_hidden_layers": 5}, "Missing"),
        (QWEN3 | {"rms_norm_eps": None}, r"\w"),
        (QWEN3 | {"rope_scaling": "none"}, r"\w"),
        (QWEN3 | {"hidden_size": "big"}, r"\w"),
        (QWEN3 | {"text_config": [], "model_type": "qwen3_5"}, r"\w"),
        ({"model_type": "qwen3"}, "missing"),
        ({}, "model_type"),
        (QWEN3 | {"quantization": 4}, r"\w"),
        (QWEN3 | {"model_file": "run_me.py"}, "run_me.py"),
    ],
)
def test_what_is_no_model_is_a_load_error(tmp_path, config, words):
    folder = random_checkpoint(tmp_path / "model", "qwen3")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(LoadError, match=words) as error:
        load(folder, "auto", lambda _: None)
    assert str(folder) in str(error.value)


def test_a_file_that_is_no_safetensors_is_a_load_error(tmp_path):
    folder = random_checkpoint(tmp_path / "model", "qwen3")
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs")
    with pytest.raises(LoadError):
        load(folder, "auto", lambda _: None)


def test_progress_goes_up_to_one(tmp_path):
    seen = []
    load(random_checkpoint(tmp_path / "model", "qwen3"), "float32", seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_attention_gets_slabs_and_the_rest_stays_mlx_lms(loaded):
    windows = [cache.window for cache in loaded("llama_window").make_caches(10)]
    assert windows == [WINDOW, None] * 2
    assert [type(cache) for cache in loaded("qwen3_5").make_caches(10)] == [ArraysCache, Slab] * 2


def test_importing_mlx_lm_does_not_lower_the_limit_of_open_files():
    script = """if True:
        import resource
        from vivace.engine.environment import import_mlx_lm
        resource.setrlimit(resource.RLIMIT_NOFILE, (5000, 6000))
        import_mlx_lm()
        import vivace.engine.build
        print(*resource.getrlimit(resource.RLIMIT_NOFILE))
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5000", "6000"]
