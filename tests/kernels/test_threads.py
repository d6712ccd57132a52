import math
from pathlib import Path

import pytest

from vivace.kernels.threads import cgroup_quota, division, usable_cores


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "self").write_text("12:cpu:/other\n0::/a/b\n")
    return tmp_path


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, math.inf),
        ({"a/b/cpu.max": "max 100000"}, math.inf),
        ({"a/b/cpu.max": "150000 100000"}, 1.5),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "400000 100000"}, 4.0),
        ({"a/b/cpu.max": "800000 100000", "cpu.max": "200000 100000"}, 2.0),
        ({"a/b/cpu.max": "nonsense"}, math.inf),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
    ],
)
def test_the_smallest_limit_of_all_enclosing_groups_holds(groups: Path, files: dict[str, str], quota: float) -> None:
    for name, text in files.items():
        (groups / name).parent.mkdir(exist_ok=True)
        (groups / name).write_text(text)
    assert cgroup_quota(groups, groups / "self") == quota


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert cgroup_quota(tmp_path, tmp_path / "missing") == math.inf


@pytest.mark.parametrize(
    ("allowed", "physical", "quota", "threads"),
    [
        (8, 4, math.inf, 3),
        (2, 2, math.inf, 1),
        (1, 1, math.inf, 1),
        (64, 32, 2.5, 2),
        (64, 32, 0.25, 1),
        (4, None, 9, 3),
    ],
)
def test_cores_that_this_process_may_not_use_do_not_count(
    monkeypatch: pytest.MonkeyPatch, allowed: int, physical: int | None, quota: float, threads: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(allowed)), raising=False)
    monkeypatch.setattr("psutil.cpu_count", lambda logical: physical)
    monkeypatch.setattr("vivace.kernels.threads.cgroup_quota", lambda: quota)
    assert max(1, usable_cores() - 1) == threads


@pytest.mark.parametrize(
    ("threads", "cores", "expected"),
    [(0, 1, (1, 1)), (0, 2, (2, 1)), (0, 4, (4, 1)), (0, 8, (1, 7)), (1, 8, (1, 1)), (3, 8, (3, 1)), (6, 4, (1, 6))],
)
def test_few_threads_are_streams_and_many_are_the_librarys(threads: int, cores: int, expected: tuple[int, int]) -> None:
    assert division(threads, cores) == expected
