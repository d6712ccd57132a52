"""What `vivace doctor` looks at: one function per line, from facts to a verdict and what to do about it."""

import platform
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from vivace.cli.client import Client, local_url
from vivace.cli.probe import KernelProbe, Probe, ProbeError, probe, probe_kernels
from vivace.fleet.discovery import EMBEDDED, DiscoveryError, locate
from vivace.kernels.threads import usable_cores
from vivace.settings import Settings

Status = Literal["ok", "warn", "fail"]
GB = 1e9
LOW_MEMORY, NO_MEMORY = 4 * GB, 1 * GB
LOW_DISK, NO_DISK = 20 * GB, 1 * GB
# A real BLAS gives ten times as much on one core of any processor of this decade.
SLOW_GFLOPS = 5.0
BUILDS = ("mlx-cpu", "mlx-cuda-13", "mlx-cuda-12")


@dataclass(frozen=True)
class Check:
    """`remedy`: what to do, where there is something to do."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


def python() -> Check:
    return Check("python", "ok", f"{platform.python_version()} at {sys.executable}")


def system(name: str, machine: str) -> Check:
    """`name` and `machine` as `platform` has them."""
    detail = f"{name} {machine}"
    if (name == "Darwin" and machine == "arm64") or name == "Linux":
        return Check("platform", "ok", detail)
    return Check("platform", "fail", detail, "MLX runs on Macs with Apple silicon and on Linux")


def cpu() -> Check:
    return Check("cpu", "ok", f"{usable_cores()} cores to use, {psutil.cpu_count() or 1} logical ones in the machine")


def memory() -> Check:
    now = psutil.virtual_memory()
    detail = f"{now.available / GB:.1f} GB available of {now.total / GB:.1f} GB"
    remedy = "close other programs, or choose a smaller or more quantized model"
    return _by_amount("memory", now.available, LOW_MEMORY, NO_MEMORY, detail, remedy)


def disk(folder: Path) -> Check:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    remedy = "make room, or set HF_HOME to another disk"
    return _by_amount("disk", free, LOW_DISK, NO_DISK, f"{free / GB:.0f} GB free for models at {folder}", remedy)


def embedded_model() -> Check:
    try:
        directory = locate(EMBEDDED).directory
    except DiscoveryError as error:
        return Check("embedded model", "fail", str(error), "install Vivace again")
    return Check("embedded model", "ok", f"{EMBEDDED} at {directory}")


def port(settings: Settings) -> Check:
    """Whether `vivace serve` could listen, or which server already does."""
    place = f"{settings.host}:{settings.port}"
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.socket(family) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((settings.host, settings.port))
        return Check("port", "ok", f"{place} is free")
    except OSError as error:
        return _taken(settings, place, error)


def _taken(settings: Settings, place: str, error: OSError) -> Check:
    client = Client(local_url(settings))
    try:
        if client.alive():
            return Check("port", "ok", f"a server answers at {place}")
    finally:
        client.close()
    return Check("port", "fail", f"{place} cannot be listened on: {error.strerror}", "choose another with --port")


def libraries(installed: Mapping[str, str | None], tested: Mapping[str, str], missing: list[str]) -> Check:
    """Versions against those that were tested; mlx and mlx-lm have to be exactly those."""
    other = {name: version for name, version in tested.items() if installed.get(name) not in (None, version)}
    remedy = "pip install -c constraints.txt -e '.[cpu]' (or cuda), or `make install`"
    if missing:
        return Check("libraries", "fail", f"missing: {', '.join(missing)}", remedy)
    if other:
        detail = ", ".join(f"{name} {installed[name]} (tested: {version})" for name, version in sorted(other.items()))
        return Check("libraries", "fail" if {"mlx", "mlx-lm"} & set(other) else "warn", detail, remedy)
    return Check("libraries", "ok", f"{sum(1 for name in tested if installed.get(name))} as tested")


def builds(found: list[str], has_nvidia: bool) -> Check:
    """Which of MLX's Linux builds are installed: exactly one may be."""
    if len(found) > 1:
        return Check(
            "mlx build", "fail", f"{' and '.join(found)} share files", "make a new environment with one of them"
        )
    if not found:
        return Check(
            "mlx build", "warn", "none of the released ones", "pip install -e '.[cpu]', or '.[cuda]' with an NVIDIA GPU"
        )
    if has_nvidia and found == ["mlx-cpu"]:
        return Check("mlx build", "warn", "mlx-cpu, and there is an NVIDIA driver", "a new environment with '.[cuda]'")
    return Check("mlx build", "ok", found[0])


def compute(threads: int = 0) -> list[Check]:
    """MLX's device, and what computes where it is the CPU; measured in child processes. `threads`: as the setting."""
    try:
        found = probe()
    except ProbeError as error:
        return [Check("mlx", "fail", str(error), "see the lines above; without MLX no model runs")]
    if found.device != "cpu" or sys.platform != "linux":
        return computed(found)
    try:
        return [*computed(found), kernels(probe_kernels(threads))]
    except ProbeError as error:
        remedy = "please report it; `--cpu-level off` serves without them"
        return [*computed(found), Check("cpu kernels", "fail", f"they crash here: {error}", remedy)]


def computed(found: Probe) -> list[Check]:
    """The verdict on what was measured."""
    speed = f"{found.gflops:,.0f} GFLOP/s in float32"
    device = Check("mlx", "ok", f"{found.mlx} on {found.device} ({found.device_name})")
    if found.device != "cpu":
        return [device, Check("speed", "ok", speed)]
    where = f"{found.blas} ({found.blas_path or found.blas_how}), threads: {found.blas_threads}, {speed}"
    if not found.blas_is_fast:
        return [device, Check("blas", "fail", where, "pip install scipy-openblas32, or apt-get install libopenblas0")]
    if found.gflops < SLOW_GFLOPS:
        return [device, Check("blas", "warn", where, "is something else computing? Try again on an idle machine")]
    return [device, Check("blas", "ok", where)]


def kernels(found: KernelProbe) -> Check:
    """The verdict on the native kernels."""
    if found.wrong:
        return Check("cpu kernels", "warn", f"not used: {found.wrong}; models run several times slower", found.remedy)
    passed = f"self-test passed ({', '.join(found.levels)})"
    speeds = (
        f"{found.gbytes:.1f} GB/s of weights, {found.gmacs:,.0f} G int8 multiply-adds/s, {found.gflops:,.0f} GFLOP/s"
    )
    return Check("cpu kernels", "ok", f"{found.name}; {passed}; {speeds}")


def _by_amount(name: str, amount: float, low: float, none: float, detail: str, remedy: str) -> Check:
    if amount < none:
        return Check(name, "fail", detail, remedy)
    return Check(name, "warn", detail, remedy) if amount < low else Check(name, "ok", detail)
