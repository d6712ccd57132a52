"""`vivace version`."""

import json
import platform
from importlib import metadata
from typing import Annotated

import typer

from vivace import __version__

RUNS_ON = ("mlx", "mlx-lm", "llguidance", "tokenizers", "fastapi")


def command(as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> None:
    """Show the versions of Vivace and of what it runs on."""
    versions = {"vivace": __version__, "python": platform.python_version()}
    versions |= {name: _installed(name) for name in RUNS_ON}
    if as_json:
        print(json.dumps(versions, indent=2))
    else:
        print(*(f"{name} {version}" for name, version in versions.items()), sep="\n")


def _installed(name: str) -> str:
    """Read from the package's metadata: nothing is imported."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
