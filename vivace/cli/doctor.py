"""`vivace doctor`: is this machine and this installation fit to serve, and what to do where it is not."""

import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

import vivace
from vivace.cli import checks
from vivace.cli.checks import Check
from vivace.cli.errors import FAILED, CliError
from vivace.cli.options import load
from vivace.settings import Settings

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_NVIDIA = Path("/proc/driver/nvidia/version")
_CONSTRAINTS = "constraints.txt"


def command(as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> None:
    """Check this machine and this installation.

    Each line is ok, warn or fail, with what to do about it. The exit code is 1 if one failed. Nothing is changed.
    """
    found = []
    for check in examine():
        found.append(check)
        if not as_json:
            _show(check)
    if as_json:
        print(json.dumps([asdict(check) for check in found], indent=2))
    if any(check.status == "fail" for check in found):
        raise typer.Exit(FAILED)


def examine() -> Iterator[Check]:
    """All checks, each as soon as it is known."""
    settings, verdict = _settings()
    tested = tested_versions()
    installed = {name: _version(name) for name in {*tested, *checks.BUILDS}}
    yield checks.python()
    yield checks.system(platform.system(), platform.machine())
    yield checks.cpu()
    yield checks.memory()
    yield checks.libraries(installed, tested, [name for name in requirements() if not _version(name)])
    if sys.platform == "linux":
        yield checks.builds([name for name in checks.BUILDS if installed[name]], _NVIDIA.exists())
    yield from checks.compute(settings.threads)
    yield checks.embedded_model()
    yield checks.disk(Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"))
    yield verdict
    yield checks.port(settings)


def tested_versions() -> dict[str, str]:
    """constraints.txt: beside the package in a checkout, inside of it when installed from a wheel."""
    package = Path(vivace.__file__).parent
    path = next(path for path in (package.parent / _CONSTRAINTS, package / _CONSTRAINTS) if path.exists())
    lines = (line.partition("==") for line in path.read_text().splitlines() if "==" in line and line[0] != "#")
    return {name: version for name, _, version in lines}


def requirements() -> list[str]:
    """Names of what Vivace needs everywhere: the lines without a marker for a platform or an extra."""
    declared = [line for line in metadata.requires("vivace") or [] if ";" not in line]
    return [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in declared]


def _settings() -> tuple[Settings, Check]:
    """The settings in force, or the defaults where they cannot be used."""
    try:
        loaded = load()
    except CliError as error:
        return Settings(), Check("settings", "fail", error.message, "`vivace config --help` says where they come from")
    changed = [key for key, source in loaded.sources.items() if source != "default"]
    return loaded.settings, Check(
        "settings", "ok", f"set: {', '.join(changed)}" if changed else "all at their defaults"
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _show(check: Check) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    line = Text.assemble((f"{check.status:<5}", _STYLES[check.status]), (f"{check.name:<16}", "bold"), check.detail)
    console.print(line)
    if check.status != "ok" and check.remedy:
        console.print(Text(f"{'':<21}→ {check.remedy}", "dim"))
