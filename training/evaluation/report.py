"""The table per suite, and what went wrong."""

from dataclasses import dataclass

from training.sample import JSON, Sample

_FAILURES_A_SUITE = 4


@dataclass(frozen=True)
class Result:
    suite: str
    sample: Sample
    prompt_tokens: int
    output: str
    correct: bool


def _share(rows: list[Result], reasoned: bool) -> str:
    part = [row.correct for row in rows if bool(row.sample.think) is reasoned]
    return f"{sum(part)}/{len(part)}" if part else "-"


def _question(sample: Sample, characters: int) -> str:
    return str(sample.messages[-2]["content"])[-characters:]


def _failure(row: Result) -> JSON:
    return {
        "suite": row.suite,
        "think": row.sample.think,
        "prompt_tokens": row.prompt_tokens,
        "ask": _question(row.sample, 400),
        "expected": str(row.sample.check)[:600],
        "output": row.output[-900:],
    }


def summarise(results: list[Result]) -> JSON:
    """Counts per suite, all together, with and without reasoning; some failures, and one example of each suite."""
    suites: JSON = {}
    failures, examples = [], []
    for suite in dict.fromkeys(row.suite for row in results):
        rows = [row for row in results if row.suite == suite]
        correct = sum(row.correct for row in rows)
        suites[suite] = {
            "correct": correct,
            "total": len(rows),
            "think": _share(rows, True),
            "direct": _share(rows, False),
        }
        failures += [_failure(row) for row in rows if not row.correct][:_FAILURES_A_SUITE]
        first = rows[0]
        ask, output = _question(first.sample, 300), first.output[-500:]
        examples.append({"suite": suite, "think": first.sample.think, "ask": ask, "output": output})
    return {"suites": suites, "failures": failures, "examples": examples}


def totals(report: JSON) -> tuple[int, int]:
    """(correct, items) of all suites."""
    rows = report["suites"].values()
    return sum(row["correct"] for row in rows), sum(row["total"] for row in rows)


def print_report(report: JSON) -> None:
    for suite, row in report["suites"].items():
        percent = 100 * row["correct"] / row["total"]
        split = f"think {row['think']:>7s}  direct {row['direct']:>7s}"
        print(f"{suite:16s} {row['correct']:4d}/{row['total']:<4d} {percent:5.1f}%   {split}")
    correct, items = totals(report)
    print(f"{'all':16s} {correct:4d}/{items:<4d} {100 * correct / max(1, items):5.1f}%")
