"""Background processes that generate conversations and pack them into rows of fixed length."""

import multiprocessing
import queue
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import data
from training.encode import Encoder
from training.tokenizer import trained_tokenizer

Document = tuple[NDArray[np.int32], NDArray[np.float32]]  # ids, weights
Row = tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.float16]]  # tokens, positions, weights

_SHORTEST = 24  # tokens; a smaller rest of a row is not worth the search
_POOL = 24  # documents to choose from
_SEEDS_A_WORKER = 100_000_000


def fill_row(pool: list[Document], length: int, refill: Callable[[], None]) -> Row:
    """Greedy packing: the longest waiting, then always the longest document of the pool that still fits."""
    tokens, pos = np.zeros(length, np.uint16), np.zeros(length, np.uint16)
    weights = np.zeros(length, np.float16)
    at = 0
    while length - at >= _SHORTEST:
        refill()
        fits = [i for i, (ids, _) in enumerate(pool) if len(ids) <= length - at]
        if not fits:
            break
        ids, w = pool.pop(max(fits, key=lambda i: len(pool[i][0])) if at else fits[0])
        end = at + len(ids)
        tokens[at:end], pos[at:end], weights[at:end] = ids, np.arange(len(ids)), w
        at = end
    pos[at:] = np.arange(length - at)
    return tokens, pos, weights


def _work(first_seed: int, length: int, prompt_weight: float, rows: "multiprocessing.Queue[Row]") -> None:
    encoder = Encoder(trained_tokenizer(), prompt_weight)
    seeds = count(first_seed)
    pool: list[Document] = []

    def refill() -> None:
        while len(pool) < _POOL:
            document = encoder.encode(data.sample(next(seeds)))
            if len(document[0]) <= length:
                pool.append(document)

    while True:
        rows.put(fill_row(pool, length, refill))


class Loader:
    """Iterates over `prepare((tokens, positions, weights))`, each array of `rows` packed rows. `wait_s`: time lost."""

    def __init__(
        self,
        rows: int,
        prepare: Callable[[Row], Any],
        length: int = 8192,
        workers: int = 14,
        seed: int = 0,
        prompt_weight: float = 0.0,
    ) -> None:
        context = multiprocessing.get_context("fork")
        self._rows: multiprocessing.Queue[Row] = context.Queue(maxsize=workers * 8)
        self._workers = [
            context.Process(
                target=_work, args=(seed + _SEEDS_A_WORKER * w, length, prompt_weight, self._rows), daemon=True
            )
            for w in range(workers)
        ]
        for worker in self._workers:
            worker.start()
        self._ready: queue.Queue[Any] = queue.Queue(maxsize=6)
        self._prepare = prepare
        self.wait_s = 0.0
        threading.Thread(target=self._collect, args=(rows,), daemon=True).start()

    def _collect(self, rows: int) -> None:
        while True:
            arrays = zip(*(self._rows.get() for _ in range(rows)), strict=True)
            self._ready.put(self._prepare(tuple(np.stack(x) for x in arrays)))

    def __next__(self) -> Any:
        begin = time.time()
        batch = self._ready.get()
        self.wait_s += time.time() - begin
        return batch

    def stop(self) -> None:
        for worker in self._workers:
            worker.terminate()
