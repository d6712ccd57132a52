"""What `vivace cache list | verify | clear | stats` do with a folder, whether engines use it or not. No MLX needed.

All raise OSError or sqlite3.Error; a folder that is not there is an empty one.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vivace.engine.cache.ssd import disk
from vivace.engine.cache.ssd.clear import clear_model, owner_of
from vivace.engine.cache.ssd.folder import Folder
from vivace.engine.cache.ssd.index import Index
from vivace.engine.cache.ssd.record import verified_payload


@dataclass(frozen=True)
class ModelUse:
    """What a folder holds of one model. `last_use_s` is a Unix time, 0 if there is nothing."""

    fingerprint: str
    label: str
    entries: int
    nbytes: int
    last_use_s: float


@dataclass(frozen=True)
class FolderUse:
    """Bytes on disk, with the index and what waits to be evicted."""

    nbytes: int
    segments: int
    free_bytes: int
    models: list[ModelUse]


@dataclass(frozen=True)
class Verified:
    """How many records are sound, and where those lie that are not."""

    sound: int
    damaged: list[str]


def list_models(folder: Path) -> list[ModelUse]:
    with _index_of(folder) as index:
        if index is None:
            return []
        return [
            ModelUse(model.fingerprint, model.label, entries, nbytes, index.last_use_ns(model) / 1e9)
            for model, entries, nbytes in index.models()
        ]


def folder_use(folder: Path) -> FolderUse:
    if not folder.exists():
        return FolderUse(0, 0, 0, [])
    cache = Folder(folder)
    return FolderUse(cache.nbytes(), len(cache.files()), cache.free_bytes(), list_models(folder))


def verify(folder: Path) -> Verified:
    """Read every record that the index has and check it. Changes nothing: damaged ones are never served anyway."""
    sound, damaged = 0, []
    with _index_of(folder) as index:
        if index is not None:
            for where, is_sound in _checked(Folder(folder), index):
                sound += is_sound
                if not is_sound:
                    damaged.append(where)
    return Verified(sound, damaged)


def _checked(folder: Folder, index: Index) -> Iterator[tuple[str, bool]]:
    for segment in index.live_bytes():
        model, path = owner_of(folder, segment), folder.segment(segment)
        try:
            fd = disk.open_file(path)
        except FileNotFoundError:
            yield f"{path}: gone", False
            continue
        try:
            for entry in index.entries(segment):
                record = memoryview(disk.read(fd, entry.extent, entry.offset))
                is_sound = model is not None and verified_payload(record, entry, model) is not None
                yield f"{path} at {entry.offset}", is_sound
        finally:
            os.close(fd)


def clear(folder: Path, fingerprint: str | None = None) -> int:
    """Forget one model, or all; bytes freed."""
    with _index_of(folder) as index:
        if index is None:
            return 0
        models = [model for model, _, _ in index.models() if fingerprint in (None, model.fingerprint)]
        return sum(clear_model(Folder(folder), index, model) for model in models)


def fingerprint_of(folder: Path, name: str) -> list[str]:
    """The fingerprints that a name given by a person may mean: a label, or how a fingerprint begins."""
    return [use.fingerprint for use in list_models(folder) if use.label == name or use.fingerprint.startswith(name)]


@contextmanager
def _index_of(folder: Path) -> Iterator[Index | None]:
    path = Folder(folder).index
    if not path.exists():
        yield None
        return
    with closing(Index(path)) as index:
        yield index
