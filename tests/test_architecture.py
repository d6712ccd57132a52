"""What may import what, what the command line loads, and that no dependency goes unexplained."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NATIVE = tomllib.loads((ROOT / "native" / "pyproject.toml").read_text())
HEAVY = ("mlx", "mlx_lm", "transformers", "torch", "fastapi", "pydantic_settings", "tokenizers", "httpx")


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after `statement`."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout


def test_the_command_line_loads_nothing_heavy() -> None:
    assert not loaded_by("import vivace.cli") & set(HEAVY)


def test_the_heavy_ones_would_be_seen() -> None:
    assert "httpx" in loaded_by("import httpx")


@pytest.mark.parametrize("module", ["vivace.cli.serve", "vivace.cli.chat", "vivace.cli.info", "vivace.cli.doctor"])
def test_no_verb_loads_the_model_runtime(module: str) -> None:
    assert not loaded_by(f"import {module}") & {"mlx", "mlx_lm", "torch"}


def dependencies() -> set[str]:
    project = PYPROJECT["project"]
    declared = project["dependencies"] + [spec for extra in project["optional-dependencies"].values() for spec in extra]
    declared += NATIVE["project"]["dependencies"] + NATIVE["build-system"]["requires"] + build_tools()
    return {re.split(r"[^\w.-]", spec, maxsplit=1)[0] for spec in declared}


def build_tools() -> list[str]:
    """What make installs before it builds the CPU kernels."""
    line = re.search(r"^BUILD_TOOLS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line
    return line.group(1).split()


@pytest.mark.parametrize("name", sorted(dependencies()))
def test_every_dependency_is_explained(name: str) -> None:
    lines = (ROOT / "docs" / "dependencies.md").read_text().splitlines()
    assert any(line.startswith(f"| {name} |") for line in lines)


@pytest.mark.parametrize("name", sorted(dependencies()))
def test_every_dependency_has_an_exact_version(name: str) -> None:
    pinned = (line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines())
    assert normalised(name) in map(normalised, pinned)


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_are_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines if not line.startswith("#"))
    assert {"mlx==0.32.4", "mlx-lm==0.32.2"} <= set(lines)
    assert not any(line.startswith("torch") for line in lines)
    exact = [spec for spec in NATIVE["build-system"]["requires"] if "==" in spec]
    assert {spec.replace("[cpu]", "") for spec in exact} <= set(lines)  # native/ is built for the MLX that is installed
