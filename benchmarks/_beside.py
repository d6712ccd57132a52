"""Rows and tables of Vivace beside other programs: each figure as a ratio to those of the same turns."""

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks._turns import Case, Figures

_KEYS = ("model", "bits", "threads", "machine", "prompt", "streams")


def rows_of(case: Case, figures: list[Figures]) -> Iterator[dict[str, Any]]:
    """One for each rival: medians, and the medians of how many times as quick Vivace was in the same turns."""
    ours = next((found for found in figures if found.name == "vivace"), Figures("vivace"))
    for found in figures:
        yield {
            **columns_of(case),
            "rival": found.name,
            "prefill_tokens_per_s": median(found.prefill),
            "decode_tokens_per_s": median(found.decode),
            "prefill_ratio": _ratio(ours.prefill, found.prefill),
            "decode_ratio": _ratio(ours.decode, found.decode),
            "turns": len(found.prefill),
            "note": found.note,
        }


def columns_of(case: Case) -> dict[str, Any]:
    machine = "busy" if case.busy else "quiet"
    return dict(zip(_KEYS, (case.model, case.bits, case.threads, machine, case.prompt, case.streams), strict=True))


def median(values: list[float]) -> float | None:
    return round(statistics.median(values), 2) if values else None


def _ratio(ours: list[float], theirs: list[float]) -> float | None:
    """Of figures that were taken one after the other, so that what disturbs both does not count."""
    return median([mine / other for mine, other in zip(ours, theirs, strict=False)])


def side_by_side(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line a case: figures of Vivace and of llama.cpp's best settings, and how many times as quick the first is."""
    cases: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        key = (f"{row['model']}, {row['bits']} bits", *(row[c] for c in ("threads", "machine", "prompt", "streams")))
        cases.setdefault(key, []).append(row)
    return [_line(case, found) for case, found in cases.items()]


def _line(case: tuple[Any, ...], rows: list[dict[str, Any]]) -> dict[str, Any]:
    line = dict(zip(("model", "threads", "machine", "prompt", "streams"), case, strict=True))
    ours = next((row for row in rows if row["rival"] == "vivace"), {})
    for kind in ("prefill", "decode"):
        best = best_of([row for row in rows if row["rival"].startswith("llama.cpp")], kind)
        line[f"{kind}, tokens/s"] = f"{_speed(ours, kind)} / {_speed(best, kind)} ({_times(best, kind)})"
        line[f"llama.cpp's best at {kind}"] = best.get("rival", "").removeprefix("llama.cpp ")
    stock = next((row for row in rows if row["rival"] == "mlx-lm"), {})
    line["mlx-lm decode"] = f"{_speed(stock, 'decode')} ({_times(stock, 'decode')})" if stock else ""
    notes = [f"{row['rival']} {row['note']}" for row in rows if row.get("note")]
    return line | {"notes": "; ".join(notes)}


def best_of(rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The row of the quickest."""
    return max(rows, key=lambda row: row[f"{kind}_tokens_per_s"] or 0, default={})


def _speed(row: dict[str, Any], kind: str) -> str:
    speed = row.get(f"{kind}_tokens_per_s")
    return "-" if speed is None else f"{speed:.3g}" if speed < 1000 else f"{speed:.0f}"


def _times(row: dict[str, Any], kind: str) -> str:
    ratio = row.get(f"{kind}_ratio")
    return "-" if ratio is None else f"{ratio:.2f} ×" if ratio < 10 else f"{ratio:.0f} ×"
