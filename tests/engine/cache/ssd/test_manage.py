"""What the command line does with a folder."""

import subprocess
import sys
import time

import pytest

from tests.engine.cache.ssd.builders import MODEL, OTHER_MODEL, open_tier, readable, record, store
from vivace.engine.cache.ssd import manage


@pytest.fixture
def folder(tmp_path):
    for model, label, n in ((MODEL, "qwen", 5), (OTHER_MODEL, "llama", 3)):
        tier = open_tier(tmp_path, model, label=label)
        store(tier, map(record, range(n)))
        tier.close()
    return tmp_path


def test_models_are_listed_with_their_use(folder):
    llama, qwen = manage.list_models(folder)
    assert (llama.label, llama.fingerprint, llama.entries) == ("llama", OTHER_MODEL, 3)
    assert (qwen.label, qwen.entries) == ("qwen", 5)
    assert qwen.nbytes == 5 * record(1).extent
    assert abs(qwen.last_use_s - time.time()) < 60


def test_the_folder_as_a_whole(folder):
    use = manage.folder_use(folder)
    assert use.segments == len(use.models) == 2
    assert use.nbytes > sum(model.nbytes for model in use.models)
    assert use.free_bytes > 0


def test_verifying_names_what_is_damaged(folder):
    assert manage.verify(folder) == manage.Verified(8, [])
    path = sorted((folder / "segments").iterdir())[0]
    path.write_bytes(path.read_bytes()[:-900])
    (where,) = manage.verify(folder).damaged
    assert str(path) in where
    path.unlink()
    assert all("gone" in each for each in manage.verify(folder).damaged)


def test_a_model_is_cleared_and_the_other_stays(folder):
    assert manage.clear(folder, MODEL) > 5000
    assert [use.entries for use in manage.list_models(folder)] == [3, 0]
    assert manage.verify(folder).sound == 3
    assert manage.clear(folder) > 3000
    assert manage.folder_use(folder).segments == 0


def test_clearing_under_a_running_engine(folder):
    tier = open_tier(folder)
    store(tier, [record(9)])
    manage.clear(folder)
    assert readable(tier, [record(9)]) == 0
    store(tier, [record(9), record(10)])
    assert readable(tier, [record(9), record(10)]) == 2
    tier.close()


def test_names_people_use(folder):
    assert manage.fingerprint_of(folder, "qwen") == manage.fingerprint_of(folder, MODEL[:6]) == [MODEL]
    assert manage.fingerprint_of(folder, "gemma") == []


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    nowhere = tmp_path / "nowhere"
    assert manage.list_models(nowhere) == []
    assert manage.verify(nowhere) == manage.Verified(0, [])
    assert manage.clear(nowhere) == 0
    assert manage.folder_use(nowhere).nbytes == 0
    assert not nowhere.exists()


def test_it_needs_no_mlx():
    code = "import sys, vivace.engine.cache.ssd.manage; sys.exit(bool({'mlx', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_put_after_clearing_began_stays(tmp_path):
    """Also if the same was put before, and is being written or waits for its commit."""
    for _ in range(10):
        tier = open_tier(tmp_path)
        records = [record(n) for n in range(20)]
        for each in records:
            assert tier.put(each)
        wait = tier.begin_clear()
        for each in records:
            assert tier.put(each)
        wait()
        assert tier.flush(20)
        assert readable(tier, records) == 20
        tier.close()
        manage.clear(tmp_path)
