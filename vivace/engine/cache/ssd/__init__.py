"""Blocks on disk: bytes by key, shared by processes, safe against crashes. Knows no MLX and no models.

A record is appended to a segment file of its process (`segment`), synced, and only then gets its row in the index that
all share (`index`). `writer` and `reader` are the two threads, `upkeep` keeps the limits, `tier` is what engines see.
"""

from vivace.engine.cache.ssd.record import Entry, Part, Record
from vivace.engine.cache.ssd.tier import SsdTier, Stats

__all__ = ["Entry", "Part", "Record", "SsdTier", "Stats"]
