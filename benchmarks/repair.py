"""How many degraded calls are read right: the corpus of tests/chat/dialects/corpus.py, by corruption and by family.

Run with `python -m benchmarks.repair`. *Recovered* is the share of outputs with one reading that are read so: the right
calls with the right arguments, or no call where none is meant. *Wrong* counts calls that were not meant, or whose
arguments differ; it includes outputs without one reading.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks._report import report
from tests.chat.dialects.corpus import Degraded, corpus, is_wrong, read

Reading = tuple[Degraded, list[Any]]


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    began = time.perf_counter()
    readings = [(case, read(case)) for case in corpus()]
    facts = {"outputs": len(readings), "seconds": round(time.perf_counter() - began, 2)}
    rows = [
        *_rows("corruption", readings, lambda case: case.corruption),
        *_rows("family", readings, lambda case: case.family),
        _row("all", "all", readings),
    ]
    report("repair", rows, command="python -m benchmarks.repair", facts=facts)


def _rows(by: str, readings: list[Reading], key: Callable[[Degraded], str]) -> list[dict[str, Any]]:
    names = dict.fromkeys(key(case) for case, _ in readings)
    return [_row(by, name, [r for r in readings if key(r[0]) == name]) for name in names]


def _row(by: str, name: str, readings: Iterable[Reading]) -> dict[str, Any]:
    certain = [(case, found) for case, found in readings if case.calls is not None]
    right = sum(found == list(case.calls or ()) for case, found in certain)
    return {
        "by": by,
        "name": name,
        "outputs": len(certain),
        "recovered, %": round(100 * right / len(certain), 1) if certain else None,
        "ambiguous": sum(case.calls is None for case, _ in readings),
        "wrong": sum(is_wrong(case, found) for case, found in readings),
    }


if __name__ == "__main__":
    main()
