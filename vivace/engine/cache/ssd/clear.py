"""Forgetting a model: its rows, then its files, also those that a process appends to."""

import os

from vivace.engine.cache.ssd import disk
from vivace.engine.cache.ssd.folder import Folder
from vivace.engine.cache.ssd.index import Index
from vivace.engine.cache.ssd.record import Model
from vivace.engine.cache.ssd.segment import read_model


def clear_model(folder: Folder, index: Index, model: Model) -> int:
    """Bytes freed. A process that writes for the model finds its file without a name and begins another."""
    with index.transaction():
        index.drop_model(model)
    index.wipe()
    return sum(disk.remove(folder.segment(number)) for number in segments_of(folder, model))


def segments_of(folder: Folder, model: Model) -> list[int]:
    """By what the files say of themselves."""
    found = []
    for number in folder.files():
        owner = owner_of(folder, number)
        if owner is not None and owner.fingerprint == model.fingerprint:
            found.append(number)
    return found


def owner_of(folder: Folder, segment: int) -> Model | None:
    """The model of a segment; None if the file is damaged or gone."""
    try:
        fd = disk.open_file(folder.segment(segment))
    except FileNotFoundError:
        return None
    try:
        return read_model(fd)
    finally:
        os.close(fd)
