"""How many processors this process may really use."""

import math
import os
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")


# With more cores than this, OpenBLAS's own threads scale better than streams, and one core is left for the rest.
_FEW = 4


def division(threads: int, cores: int) -> tuple[int, int]:
    """How dense products use the CPU: (MLX streams that share a layer, BLAS threads of each).

    `threads`: those wished for, 0 for what suits `cores`. Few are streams with one BLAS thread each, which sleep when
    they wait and so bear company; many are one stream with OpenBLAS's spinning threads.
    """
    wished = threads or (cores if cores <= _FEW else cores - 1)
    return (wished, 1) if wished <= _FEW else (1, wished)


def usable_cores() -> int:
    """Physical cores, less if the process is pinned to fewer or its control group has a smaller quota; at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = psutil.cpu_count(logical=False) or allowed
    return max(1, math.ceil(min(allowed, cores, cgroup_quota())))


def cgroup_quota(root: Path = _CGROUP, membership: Path = Path("/proc/self/cgroup")) -> float:
    """Processors that control groups (v2 or v1) grant, as a fraction; infinite without a limit."""
    limits = [_v2_limit(d) for d in _own_groups(root, membership)] + [_v1_limit(root / "cpu")]
    return min(limits)


def _own_groups(root: Path, membership: Path) -> list[Path]:
    """The process's v2 group and all that contain it: each can carry a limit."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return [root]
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    group = root / own.lstrip("/")
    return [group, *(p for p in group.parents if p == root or root in p.parents)]


def _v2_limit(group: Path) -> float:
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return math.inf


def _v1_limit(group: Path) -> float:
    try:
        quota = int((group / "cpu.cfs_quota_us").read_text())
        period = int((group / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf
