"""What a MODEL string names, and what exactly is wrong when it names nothing that can be served."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vivace.assets import embedded_model_path
from vivace.fleet.discovery import DiscoveryError, checked, locate, usable

from .builders import write_checkpoint, write_safetensors


def test_the_embedded_model_is_complete() -> None:
    source = locate("vivace-mini")
    assert (source.kind, source.id, source.directory) == ("embedded", "vivace-mini", embedded_model_path())


def test_a_directory_is_named_after_itself_and_known_by_its_path(tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "tiny")
    (tmp_path / "x").mkdir()
    source = locate(f"{tmp_path}/x/../tiny/")
    assert (source.kind, source.id, source.directory) == ("directory", "tiny", directory)
    assert {f"{tmp_path}/x/../tiny/", str(directory), "tiny"} == set(source.names)


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_checkpoint(tmp_path / "tiny")
    assert locate("~/tiny").id == "tiny"


def test_a_snapshot_of_the_hub_cache_is_named_after_its_repository(tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "models--org--some--name" / "snapshots" / ("0" * 40))
    assert locate(str(directory)).id == "org/some--name"


def test_a_hub_id_is_found_in_the_cache(tmp_path: Path) -> None:
    repo = tmp_path / "models--org--name"
    directory = write_checkpoint(repo / "snapshots" / ("0" * 40))
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    source = locate("org/name", hub_cache=tmp_path)
    assert (source.kind, source.id, source.directory, source.names) == ("hub", "org/name", directory, ("name",))
    (directory / "model.safetensors").unlink()
    assert locate("org/name", hub_cache=tmp_path).directory is None


def test_a_hub_id_that_is_not_there_has_to_be_downloaded(tmp_path: Path) -> None:
    source = locate("org/name", hub_cache=tmp_path)
    assert (source.kind, source.directory, source.hub_id) == ("hub", None, "org/name")


@pytest.mark.parametrize("model", ["", "nothing", "/no/such/directory", "./org/name", "a/b/c", "../x", "org/", "-x/y"])
def test_a_string_that_names_nothing_is_refused(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(DiscoveryError, match=r"neither a directory here, nor a hub id of the form org/name"):
        locate(model)


def test_an_impossible_hub_id_is_refused() -> None:
    with pytest.raises(DiscoveryError, match="cannot be a hub id"):
        locate("org/a--b")


def shards(directory: Path) -> None:
    (directory / "model.safetensors").unlink()
    names = [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    write_safetensors(directory / names[0])
    index = {"weight_map": dict(zip("abc", names, strict=True))}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def instead(name: str, content: bytes = b"x") -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        (directory / "model.safetensors").unlink()
        (directory / name).write_bytes(content)

    return change


def weights(content: bytes) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        (directory / "model.safetensors").write_bytes(content)

    return change


WHOLE = b"\x3b\0\0\0\0\0\0\0" + b'{"w":{"dtype":"U8","shape":[900],"data_offsets":[0,900]}}  ' + bytes(900)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: (d / "config.json").unlink(), "config.json is missing"),
        (lambda d: (d / "config.json").write_text("{"), "config.json is not a JSON object"),
        (lambda d: (d / "config.json").write_text("[]"), "config.json is not a JSON object"),
        (lambda d: (d / "config.json").write_bytes(b"\xff\xfe"), "config.json is not a JSON object"),
        (lambda d: (d / "config.json").write_text("{}"), "config.json has no model_type"),
        (lambda d: (d / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda d: (d / "model.safetensors").unlink(), "model*.safetensors is missing"),
        (
            shards,
            "2 of the weight files that model.safetensors.index.json lists are missing "
            "(model-00002-of-00003.safetensors, model-00003-of-00003.safetensors)",
        ),
        (weights(WHOLE[:-1]), "model.safetensors is cut off (966 of 967 bytes)"),
        (weights(WHOLE[:30]), "model.safetensors is no safetensors file or is cut off"),
        (weights(b""), "model.safetensors is no safetensors file or is cut off"),
        (weights(b"\xff" * 64), "model.safetensors is no safetensors file or is cut off"),
        (weights(b"\x02\0\0\0\0\0\0\0[]"), "model.safetensors is no safetensors file or is cut off"),
        (weights(b"\x0b\0\0\0\0\0\0\0" + b'{"w":{"x":1'), "model.safetensors is no safetensors file or is cut off"),
        (weights(b"\x07\0\0\0\0\0\0\0" + b'{"w":1}'), "model.safetensors is no safetensors file or is cut off"),
        (weights(b"version https://git-lfs.github.com/spec/v1\noid"), "model.safetensors is a Git LFS pointer"),
        (instead("m-Q4_K.gguf"), "it holds GGUF weights (m-Q4_K.gguf), which Vivace does not read: use the original"),
        (instead("pytorch_model.bin"), "it holds PyTorch weights only (pytorch_model.bin): use a safetensors version"),
        (instead("model.pth"), "it holds PyTorch weights only (model.pth)"),
        (instead("adapter_model.safetensors"), "it is an adapter (adapter_model.safetensors), not a model: fuse it"),
        (instead("consolidated.safetensors"), "its weights must be named model*.safetensors, and consolidated"),
    ],
)
def test_a_broken_checkpoint_says_what_is_wrong(tmp_path: Path, change: Callable[[Path], object], fault: str) -> None:
    directory = write_checkpoint(tmp_path / "tiny")
    change(directory)
    with pytest.raises(DiscoveryError) as caught:
        locate(str(directory))
    assert str(caught.value).startswith(f"{directory} cannot be served: {fault}")


def test_everything_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DiscoveryError) as caught:
        checked(tmp_path)
    faults = "config.json is missing; tokenizer.json is missing; model*.safetensors is missing"
    assert str(caught.value) == f"{tmp_path} cannot be served: {faults}."


def test_a_dangling_link_is_no_weight_file(tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "tiny")
    (directory / "model.safetensors").unlink()
    (directory / "model.safetensors").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DiscoveryError, match="is a link to nothing"):
        checked(directory)


@pytest.mark.parametrize(
    ("name", "advice"), [("m.gguf", "GGUF weights"), ("m.bin", "PyTorch weights"), ("model.safetensors", "")]
)
def test_a_file_is_not_a_model(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DiscoveryError, match=f"is a file; MODEL is the directory around it.*{advice}"):
        locate(str(tmp_path / name))


@pytest.mark.parametrize(
    ("filenames", "reason"),
    [
        (["config.json", "model.safetensors"], None),
        (["config.json", "model-00001-of-00002.safetensors", "x.gguf"], None),
        (["a.gguf"], "GGUF"),
        (["config.json", "pytorch_model.bin"], "PyTorch"),
        (["README.md"], "no config.json"),
        (["model.safetensors"], "no config.json"),
    ],
)
def test_a_repository_is_judged_by_its_file_names(filenames: list[str], reason: str | None) -> None:
    verdict = usable(filenames)
    assert verdict is None if reason is None else reason in str(verdict)
