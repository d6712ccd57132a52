"""`vivace config`: every setting, its value and where it came from."""

import json
from typing import Annotated, Any

import typer

from vivace.cli.options import load
from vivace.settings import SECRET, Loaded, config_file

MASK = "********"


def command(as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> None:
    """Show each setting, its value and where it came from.

    Flags of `vivace serve` stand over VIVACE_* variables, these over vivace.toml (in the working directory, else in
    ~/.config/vivace), and this over the defaults. API keys are masked.
    """
    loaded = load()
    if as_json:
        print(json.dumps(_rows(loaded), indent=2, ensure_ascii=False))
    else:
        _print_table(_rows(loaded))


def _rows(loaded: Loaded) -> dict[str, dict[str, Any]]:
    values = loaded.settings.model_dump(mode="json")
    return {key: {"value": _masked(key, values[key]), "source": loaded.sources[key]} for key in values}


def _masked(key: str, value: Any) -> Any:
    return [MASK for _ in value] if key in SECRET else value


def _print_table(rows: dict[str, dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("setting", "value", "source", box=None, pad_edge=False, header_style="bold")
    for key, row in rows.items():
        style = "dim" if row["source"] == "default" else ""
        table.add_row(*(Text(part, style) for part in (key, _text(row["value"]), row["source"])))
    Console().print(table)
    print(f"\nfile: {config_file() or 'none found (./vivace.toml, ~/.config/vivace/vivace.toml)'}")


def _text(value: Any) -> str:
    if value is None or value == []:
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
