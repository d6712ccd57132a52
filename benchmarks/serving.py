"""Vivace and `mlx_lm.server` side by side over HTTP: time to first token, tokens/s, peak memory.

    python -m benchmarks.serving                  everything, about 25 minutes on 2 cores
    python -m benchmarks.serving --quick          a first impression, two minutes
    python -m benchmarks.serving --table          the figures of the last run as Markdown

Both run as they come, and are started anew for each case. They take turns with the same prompts; figures are medians
over turns and streams. A server that exceeds the limit of a turn is stopped, which its row says, and is not tried with
more streams of that kind.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks._models import NAMES, checkpoint
from benchmarks._prompts import Prompts
from benchmarks._race import Case, Entrant, Rules, race
from benchmarks._report import RESULTS, print_last, report
from benchmarks._servers import RIVALS

_NAME = "serving"
_QUICK = {"models": ["vivace-mini"], "streams": [1, 4], "prompts": [32], "tokens": 16, "repeat": 1}

# Column of the results → title in the table, and whether more is better (None: no ratio).
_COMPARED: dict[str, tuple[str, bool | None]] = {
    "ttft_s": ("TTFT, s", False),
    "stream_tokens_per_s": ("tokens/s per stream", True),
    "total_tokens_per_s": ("tokens/s in total", True),
    "peak_mib": ("peak memory, MiB", None),
}


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rows, case by case."""
    rules = Rules(options.repeat, options.limit, options.case_limit)
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models:
            path = checkpoint(model, Path(folder))
            prompts = Prompts(path)
            for length in options.prompts:
                yield from _more_and_more(model, length, path, prompts, rules, options)


def _more_and_more(
    model: str, length: int, path: Path, prompts: Prompts, rules: Rules, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Cases that differ in their streams only; who could not serve few is not asked to serve many."""
    out: dict[str, str] = {}
    for streams in sorted(options.streams):
        case = Case(model, length, streams, options.tokens)
        entrants = race(case, path, prompts, [name for name in options.only if name not in out], rules)
        yield from map(row_of, entrants)
        yield from (_row(case, name, note=note) for name, note in out.items())
        out |= {e.name: f"not run ({streams} at a time: {e.note})" for e in entrants if e.note}


def row_of(entrant: Entrant) -> dict[str, Any]:
    """A stream's speed is that after its first token; the total has the prompts' time in it."""
    peak_mib = round(entrant.peak_bytes / 2**20)
    answers = [answer for turn in entrant.turns for answer in turn]
    if not answers:
        return _row(entrant.case, entrant.name, peak_mib=peak_mib, note=entrant.note)
    totals = [sum(a.tokens for a in turn) / max(a.end_s for a in turn) for turn in entrant.turns]
    return _row(
        entrant.case,
        entrant.name,
        ttft_s=round(statistics.median(a.first_s for a in answers), 4),
        stream_tokens_per_s=round(1 / statistics.median(a.token_s for a in answers), 2),
        total_tokens_per_s=round(statistics.median(totals), 2),
        peak_mib=peak_mib,
        prompt_tokens=statistics.median_low(a.prompt_tokens for a in answers),
        turns=len(entrant.turns),
        note=entrant.note,
    )


def _row(case: Case, server: str, **figures: Any) -> dict[str, Any]:
    row = {"model": case.model, "prompt": case.prompt, "streams": case.streams, "server": server}
    return row | {column: figures.get(column) for column in (*_COMPARED, "prompt_tokens", "turns", "note")}


def side_by_side(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line a case: figures of Vivace and of mlx_lm.server, and how many times better the first is."""
    cases: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for row in rows:
        cases.setdefault((row["model"], row["prompt"], row["streams"]), {})[row["server"]] = row
    return [_line(case, servers.get("vivace", {}), servers.get("mlx_lm", {})) for case, servers in cases.items()]


def _line(case: tuple[Any, ...], ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    line = dict(zip(("model", "prompt", "streams"), case, strict=True))
    for column, (title, more_is_better) in _COMPARED.items():
        line[title] = _cell(ours.get(column), theirs.get(column), more_is_better)
    notes = {"Vivace": ours.get("note"), "mlx_lm.server": theirs.get("note")}
    return line | {"notes": "; ".join(f"{name} {note}" for name, note in notes.items() if note)}


def _cell(ours: float | None, theirs: float | None, more_is_better: bool | None) -> str:
    text = " / ".join("-" if value is None else f"{value:.3g}" for value in (ours, theirs))
    if not ours or not theirs or more_is_better is None:
        return text
    return f"{text} ({ours / theirs if more_is_better else theirs / ours:.1f} ×)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=NAMES, default=["vivace-mini", "qwen3-100m"])
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 4, 8])
    parser.add_argument("--prompts", nargs="+", type=int, default=[32, 1024], help="tokens, the template's included")
    parser.add_argument("--tokens", type=int, default=32, help="of each answer; at least 2")
    parser.add_argument("--repeat", type=int, default=3, help="turns of each server in a case")
    parser.add_argument("--limit", type=float, default=180, help="seconds of one turn")
    parser.add_argument("--case-limit", type=float, default=60, help="seconds after which no further round begins")
    parser.add_argument("--only", nargs="+", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--quick", action="store_true", help="few cases, one turn each")
    parser.add_argument("--table", action="store_true", help="print the last results as Markdown; measure nothing")
    return parser


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    if options.quick:
        parser.set_defaults(**_QUICK)
        options = parser.parse_args()
    if options.table:
        print_last(_NAME, options.out, side_by_side)
        return
    rows = []
    for row in measure(options):
        rows.append(row)
        print(row, flush=True)
    report(_NAME, rows, command=f"python -m benchmarks.serving {' '.join(sys.argv[1:])}".strip(), folder=options.out)


if __name__ == "__main__":
    main()
