"""What the gateway asks about the prefix cache, and the answers."""

import threading
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Seq
from dataclasses import asdict

import msgspec

from vivace.engine.cache.prefix import PrefixCache
from vivace.engine.device import give_back
from vivace.engine.sequence import Sequence
from vivace.protocol import CacheCleared, CacheMatch, CacheQuery, CacheStats, Failed, FromEngine, SsdStats


class Inquiries:
    """Engine thread. `limit`: bytes that memory may hold now; `emit` is called from other threads too."""

    def __init__(self, prefix: PrefixCache, limit: Callable[[], int], emit: Callable[[Seq[FromEngine]], None]) -> None:
        self._prefix = prefix
        self._limit = limit
        self._emit = emit

    def answer(self, query: CacheQuery | CacheMatch, live: Iterable[Sequence]) -> None:
        """`live`: sequences that have caches."""
        if isinstance(query, CacheMatch):
            self._emit([msgspec.structs.replace(self._prefix.would_find(query, live), id=query.id)])
        elif query.what == "stats":
            self._emit([self._stats(query)])
        elif query.what == "explain":
            self._emit([self._explanation(query)])
        else:
            self._clear(query, live)

    def _explanation(self, query: CacheQuery) -> FromEngine:
        known = self._prefix.explanations.get(query.request)
        if known is None:
            return Failed(query.id, "not_found", "nothing is known of this request")
        return msgspec.structs.replace(known, id=query.id, detail=self._prefix.problem)

    def _clear(self, query: CacheQuery, live: Iterable[Sequence]) -> None:
        """The disk may take its time, which others do not wait for."""
        freed = self._prefix.forget(live)
        give_back()
        tier = self._prefix.tier
        if tier is None:
            self._emit([CacheCleared(query.id, freed)])
            return
        wait = tier.begin_clear()
        threading.Thread(
            target=lambda: self._emit([CacheCleared(query.id, freed + wait())]), name="cache-clear", daemon=True
        ).start()

    def _stats(self, query: CacheQuery) -> CacheStats:
        prefix, ram, tier = self._prefix, self._prefix.ram, self._prefix.tier
        nodes = ram.tree.nodes.values()
        return CacheStats(
            id=query.id,
            problem=prefix.problem,
            prompt_tokens=prefix.prompt_tokens,
            cached_tokens=prefix.cached_tokens,
            nbytes=ram.nbytes,
            limit_bytes=max(0, self._limit()),
            idle=len(ram.idle),
            blocks=sum("full" in node.parts or "window" in node.parts for node in nodes),
            snapshots=sum("state" in node.parts for node in nodes),
            evicted=ram.evictions,
            ssd=None if tier is None else SsdStats(**asdict(tier.stats)),
        )
