"""Downloads from a hub on this machine: complete, continued, refused; each failure is one sentence, soon."""

import asyncio
import errno
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from vivace.fleet import download as download_module
from vivace.fleet.discovery import locate
from vivace.fleet.download import DownloadError, DownloadProgress, download, download_in_child

from .builders import alive, until, write_checkpoint
from .fake_hub import FakeHub, serving


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    checkpoint = write_checkpoint(tmp_path / "origin")
    files = {file.name: file.read_bytes() for file in checkpoint.iterdir()}
    with serving(FakeHub(files)) as running:
        running.gate.set()
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "hub"


def refusal(hub: FakeHub, cache: Path) -> str:
    begun = time.monotonic()
    with pytest.raises(DownloadError) as caught:
        download("org/name", endpoint=hub.endpoint, hub_cache=cache)
    assert time.monotonic() - begun < 5
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_download_is_complete_and_found_again_without_network(hub: FakeHub, cache: Path) -> None:
    seen: list[DownloadProgress] = []
    directory = download("org/name", seen.append, endpoint=hub.endpoint, hub_cache=cache)
    assert sorted(file.name for file in directory.iterdir()) == sorted(hub.files)
    assert seen[-1].fraction == 1.0
    asked = len(hub.requests)
    assert locate("org/name", hub_cache=cache).directory == directory
    assert len(hub.requests) == asked


def test_only_what_is_needed_is_fetched(hub: FakeHub, cache: Path) -> None:
    useless = ("README.md", "pytorch_model.bin", "consolidated.safetensors", "onnx/config.json", "modeling_x.py")
    hub.files |= dict.fromkeys(useless, b"x") | {"tokenizer.model": b"x", "chat_template.jinja": b"x"}
    directory = download("org/name", endpoint=hub.endpoint, hub_cache=cache)
    names = {str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()}
    assert names == set(hub.files) - set(useless)
    assert locate("org/name", hub_cache=cache).directory == directory


async def test_progress_is_reported_while_bytes_arrive(hub: FakeHub, cache: Path) -> None:
    hub.files["model.safetensors"] += bytes(40_000_000)  # more than one chunk of the library
    hub.gate.clear()
    seen: list[DownloadProgress] = []
    task = asyncio.create_task(
        asyncio.to_thread(download, "org/name", seen.append, endpoint=hub.endpoint, hub_cache=cache)
    )
    await until(lambda: seen and 0.2 < seen[-1].fraction < 0.6)
    hub.gate.set()
    await task
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert seen[-1].done == seen[-1].total == sum(map(len, hub.files.values()))


def test_a_broken_connection_is_continued_where_it_broke(hub: FakeHub, cache: Path) -> None:
    hub.files["model.safetensors"] += bytes(100_000)
    hub.drop_after["model.safetensors"] = 30_000
    directory = download("org/name", endpoint=hub.endpoint, hub_cache=cache)
    assert (directory / "model.safetensors").read_bytes() == hub.files["model.safetensors"]
    assert hub.gets_of("model.safetensors") == 2


def test_asking_again_fetches_only_what_is_missing(hub: FakeHub, cache: Path) -> None:
    directory = download("org/name", endpoint=hub.endpoint, hub_cache=cache)
    (directory / "config.json").resolve().unlink()
    (directory / "config.json").unlink()
    assert locate("org/name", hub_cache=cache).directory is None
    download("org/name", endpoint=hub.endpoint, hub_cache=cache)
    assert (hub.gets_of("config.json"), hub.gets_of("model.safetensors")) == (2, 1)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            (401, "RepoNotFound"),
            "The hub has no model 'org/name' (and no directory of that name is here); a private one",
        ),
        ((404, "RepoNotFound"), "The hub has no model 'org/name'"),
        ((403, "GatedRepo"), "'org/name' is gated: accept its terms at"),
        ((401, "GatedRepo"), "'org/name' is gated: accept its terms at"),
        ((500, ""), "The hub refused 'org/name': Server error '500"),
    ],
)
def test_what_the_hub_refuses_is_explained(hub: FakeHub, cache: Path, error: tuple[int, str], sentence: str) -> None:
    hub.error = error
    assert refusal(hub, cache).startswith(sentence)


def test_a_gated_model_whose_page_is_public_is_explained(hub: FakeHub, cache: Path) -> None:
    hub.files_error = (403, "GatedRepo")
    assert "is gated" in refusal(hub, cache)


def test_a_repository_in_another_format_is_refused_before_anything_is_fetched(hub: FakeHub, cache: Path) -> None:
    hub.files = {"model-Q4.gguf": b"x", "config.json": b"{}"}
    assert "GGUF weights (model-Q4.gguf)" in refusal(hub, cache)
    assert hub.gets_of("model-Q4.gguf") == hub.gets_of("config.json") == 0


def test_a_full_disk_is_noticed_before_the_download(hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=10, used=10, free=5))
    assert "'org/name' needs" in refusal(hub, cache)
    assert hub.gets_of("model.safetensors") == 0


def test_a_disk_that_becomes_full_is_explained(hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.snapshot_download", full)
    assert "became full" in refusal(hub, cache)


def test_a_cache_that_cannot_be_written_is_explained(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "hub").write_text("a file where the cache should be")
    assert refusal(hub, tmp_path / "hub").startswith(f"The download of 'org/name' into {tmp_path / 'hub'} failed")


def test_no_network_is_one_sentence(cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    assert "the hub cannot be reached" in refusal(FakeHub({}, endpoint=endpoint), cache)


def test_a_hub_that_never_answers_is_given_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "_HUB_ANSWERS_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "the hub cannot be reached" in refusal(FakeHub({}, endpoint=endpoint), cache)


def test_an_impossible_id_is_explained(cache: Path) -> None:
    with pytest.raises(DownloadError, match="cannot be a hub id"):
        download("org/a--b", hub_cache=cache)


async def test_a_child_process_downloads_and_reports(
    hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    seen: list[DownloadProgress] = []
    directory = await download_in_child("org/name", seen.append)
    assert (directory / "model.safetensors").read_bytes() == hub.files["model.safetensors"]
    assert seen[-1].fraction == 1.0
    hub.error = (404, "RepoNotFound")
    with pytest.raises(DownloadError, match="The hub has no model 'org/other'"):
        await download_in_child("org/other", seen.append)


async def test_cancelling_ends_the_child_at_once(hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    hub.files["model.safetensors"] += bytes(40_000_000)
    hub.gate.clear()
    seen: list[DownloadProgress] = []
    task = asyncio.create_task(download_in_child("org/name", seen.append))
    await until(lambda: len(seen) > 1)
    (child,) = [process.pid for process in psutil.Process().children() if "org/name" in process.cmdline()]
    task.cancel()
    begun = time.monotonic()
    await asyncio.wait([task])
    assert time.monotonic() - begun < 1
    assert not alive(child)
