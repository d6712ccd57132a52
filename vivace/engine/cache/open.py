"""The storage of a model's prefixes as its Load message asks for."""

import logging
from pathlib import Path
from typing import Any

from vivace.engine.cache.codecs import codec
from vivace.engine.cache.disk import Disk
from vivace.engine.cache.fingerprint import fingerprint
from vivace.engine.cache.layout import Layout
from vivace.engine.cache.prefix import Storage
from vivace.engine.cache.ssd import SsdTier
from vivace.protocol import Load

log = logging.getLogger("vivace.engine")


def open_storage(request: Load, caches: list[Any], dtype: str, native: bool) -> Storage:
    """`caches`: of a sequence that has run a little; `dtype`: of activations; `native`: our kernels compute them."""
    cache = request.cache
    layout = Layout.of(caches, codec(cache.codec))
    if layout.problem:
        log.warning("prefixes of this model are not kept: %s", layout.problem)
        return Storage(layout)
    if not cache.ssd_folder or not cache.ssd_bytes or cache.ram_bytes == 0:
        return Storage(layout, cells=native)
    facts = dtype, cache.codec, f"{native}", request.activations, str(layout.full), str(layout.windows)
    model = fingerprint(Path(request.model), *facts)
    tier = SsdTier(Path(cache.ssd_folder), model, cache.ssd_bytes, label=cache.label)
    if tier.problem is not None:  # without a disk memory keeps blocks too; the log has said why
        return Storage(layout, model, cells=native)
    return Storage(layout, model, Disk(tier, layout), native)
