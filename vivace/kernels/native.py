"""The kernels of native/, the package vivace-cpu: found, checked, and given their threads.

Everything that uses them asks `load` and does without where it gives None.
"""

import importlib
import logging
import os
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

import mlx.core as mx

from vivace.kernels.threads import usable_cores

log = logging.getLogger(__name__)

MODULE, PACKAGE, LEVEL = "vivace_cpu", "vivace-cpu", "VIVACE_CPU_LEVEL"
OFF = "off"  # a level that says: do without
BUILD = "with g++ installed, run `make install` in the checkout of Vivace, or `pip install ./native` there"
AUTO = f"leave cpu_level at auto (--cpu-level, {LEVEL}, vivace.toml), or name another"
# A model of 4 bits has its weights in float32 then: seven times as many bytes to hold, and to read for each token.
COST = "models run several times slower and take up to 7 times the memory"


@dataclass(frozen=True)
class Native:
    """`ops`: the module; `level`: the instruction set in use; `threads`: those that compute."""

    ops: Any
    version: str
    level: str
    threads: int

    def __str__(self) -> str:
        return f"{PACKAGE} {self.version}, {self.level}, {self.threads} thread{'s' if self.threads > 1 else ''}"


class NativeError(Exception):
    """The kernels cannot be used; the message says why, `remedy` what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


def load(threads: int = 0) -> Native | None:
    """The kernels where a Linux CPU computes and all is well with them; else None.

    Args:
        threads: those that compute; 0: one for each usable core.

    Never raises. The first time that they should be there and cannot be used, one warning says why and what to do.
    """
    if not wanted():
        return None
    try:
        return find(threads)
    except NativeError as error:
        _warn(str(error), error.remedy)
        return None


def wanted() -> bool:
    """Whether MLX computes on a Linux CPU: on a GPU these kernels are not used."""
    return sys.platform == "linux" and not (mx.metal.is_available() or mx.cuda.is_available())


def find(threads: int = 0) -> Native:
    """As `load`, for those who want to know why.

    Raises:
        NativeError: they are missing, built for another MLX, not for this processor, or compute wrongly.
    """
    found = _checked()
    if isinstance(found, NativeError):
        raise NativeError(str(found), found.remedy)
    found.set_threads(threads or usable_cores())
    return Native(found, _version(), found.level(), found.threads())


@cache
def _checked() -> Any:
    """The module, or the NativeError that says why not; tried once in a process."""
    if os.environ.get(LEVEL) == OFF:
        return NativeError(f"switched off by the setting cpu_level ({OFF})", AUTO)
    try:
        module = importlib.import_module(MODULE)
        failures = module.self_test()
    except ModuleNotFoundError as error:
        return NativeError(f"{PACKAGE} is not installed" if error.name == MODULE else str(error), BUILD)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with it, Vivace serves without
        remedy = AUTO if LEVEL in str(error) else BUILD
        return NativeError(f"{PACKAGE} cannot be loaded: {error}", remedy)
    if failures:
        reason = f"{PACKAGE} computes wrongly here at {module.level()} ({'; '.join(failures)})"
        others = ", ".join(level for level in module.levels() if level != module.level())
        return NativeError(reason, f"please report it; {LEVEL} chooses another instruction set ({others})")
    return module


def _version() -> str:
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:  # run from a developer's build folder
        return "(a build folder)"


@cache
def _warn(reason: str, remedy: str) -> None:
    log.warning("No CPU kernels: %s. Without them %s. Remedy: %s", reason, COST, remedy)
