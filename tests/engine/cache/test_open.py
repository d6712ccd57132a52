"""The storage that a Load message asks for."""

from tests.random_models import random_checkpoint
from vivace.engine.cache.layout import Layout
from vivace.engine.cache.open import open_storage
from vivace.engine.probe import probe
from vivace.protocol import Cache, Load


def opened(loaded, tmp_path, **cache):
    """With a folder, a size and whatever else is given."""
    model = random_checkpoint(tmp_path / "model", "qwen3")
    request = Load(str(model), 1000, cache=Cache(**cache))
    return open_storage(request, probe(loaded("qwen3"))[1].caches, "float32", native=False)


def test_a_folder_and_a_size_make_an_ssd_tier(loaded, tmp_path):
    storage = opened(loaded, tmp_path, ssd_folder=str(tmp_path / "cache"), ssd_bytes=1 << 30)
    assert isinstance(storage.layout, Layout)
    assert storage.salt
    assert storage.disk is not None
    storage.disk.tier.close()


def test_a_folder_that_cannot_be_used_leaves_memory(loaded, tmp_path):
    """Without a disk blocks are kept in memory when slabs have to go; a disk that takes nothing would lose them."""
    (tmp_path / "file").write_text("in the way")
    assert opened(loaded, tmp_path, ssd_folder=str(tmp_path / "file"), ssd_bytes=1 << 30).disk is None


def test_without_a_folder_or_memory_there_is_no_ssd_tier(loaded, tmp_path):
    assert opened(loaded, tmp_path).disk is None
    assert opened(loaded, tmp_path, ssd_folder=str(tmp_path / "cache"), ssd_bytes=1 << 30, ram_bytes=0).disk is None
