"""What every benchmark does with its figures: a table to read, a JSON file to quote, the machine beside both."""

import json
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Rows = list[dict[str, Any]]
RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("mlx", "mlx-lm", "scipy-openblas32", "numpy")


def report(
    name: str, rows: list[dict[str, Any]], *, command: str, folder: Path = RESULTS, facts: dict[str, Any] | None = None
) -> Path:
    """Print the rows as a table and write them to `folder`/`name`.json with the machine's facts.

    Args:
        name: of the file, without extension.
        rows: column name → value; columns may differ between rows and keep their order of first appearance.
        command: how to run the benchmark again.
        facts: what else the figures depend on.
    """
    machine = machine_facts() | (facts or {})
    _print(name, rows, machine)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    when = datetime.now(UTC).isoformat(timespec="seconds")
    path.write_text(
        json.dumps({"name": name, "command": command, "when": when, "machine": machine, "rows": rows}, indent=2) + "\n"
    )
    return path


def last(name: str, folder: Path = RESULTS) -> dict[str, Any]:
    """What the last `report` of this name wrote.

    Raises:
        FileNotFoundError: there was none.
    """
    results: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return results


def print_last(name: str, folder: Path = RESULTS, arrange: Callable[[Rows], Rows] = list) -> None:
    """What `--table` does: the last results as Markdown, their rows arranged for readers."""
    results = last(name, folder)
    print(markdown(arrange(results["rows"]), results))


def markdown(rows: list[dict[str, Any]], results: dict[str, Any]) -> str:
    """A table for docs/benchmarks.md, under a line that says with which command, when and where `results` came."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [columns, ["---"] * len(columns), *([_text(row.get(column)) for column in columns] for row in rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"`{results['command']}`, {results['when'][:10]}: {_facts(results['machine'])}.\n\n{table}"


def machine_facts() -> dict[str, Any]:
    """Processor, cores, load of the last minute, memory, system and versions: what a figure means nothing without."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: found for name in _PACKAGES if (found := _version(name))},
    }


def _cpu() -> str:
    if platform.system() == "Linux":
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        return next(names, platform.machine())
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _print(name: str, rows: list[dict[str, Any]], machine: dict[str, Any]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    table = Table(*columns, title=name, caption=_facts(machine))
    for row in rows:
        table.add_row(*(_text(row.get(column)) for column in columns))
    Console().print(table)


def _facts(machine: dict[str, Any]) -> str:
    return ", ".join(f"{name} {fact}" for name, fact in machine.items())


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)
