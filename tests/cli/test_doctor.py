"""`vivace doctor`: verdicts from facts, and the whole of it on this machine."""

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Vivace
from vivace.cli import checks, doctor
from vivace.cli.checks import Check
from vivace.cli.probe import KernelProbe, Probe, ProbeError, probe
from vivace.settings import Settings

TESTED = {"mlx": "0.32.4", "mlx-lm": "0.32.2", "rich": "15.0.0", "openai": "3.0"}


@pytest.mark.parametrize(
    ("name", "machine", "status"),
    [
        ("Darwin", "arm64", "ok"),
        ("Darwin", "x86_64", "fail"),
        ("Linux", "x86_64", "ok"),
        ("Linux", "aarch64", "ok"),
        ("Windows", "AMD64", "fail"),
    ],
)
def test_platforms(name: str, machine: str, status: str) -> None:
    assert checks.system(name, machine).status == status


@pytest.mark.parametrize(
    ("changed", "missing", "status", "part"),
    [
        ({}, [], "ok", "3 as tested"),
        ({"rich": "14.0.0"}, [], "warn", "rich 14.0.0 (tested: 15.0.0)"),
        ({"mlx": "0.33.0"}, [], "fail", "mlx 0.33.0 (tested: 0.32.4)"),
        ({}, ["httpx"], "fail", "missing: httpx"),
    ],
)
def test_libraries(changed: dict[str, str], missing: list[str], status: str, part: str) -> None:
    installed = {**TESTED, "openai": None, **changed}
    check = checks.libraries(installed, TESTED, missing)
    assert (check.status, part in check.detail) == (status, True)


@pytest.mark.parametrize(
    ("found", "has_nvidia", "status"),
    [
        (["mlx-cpu"], False, "ok"),
        (["mlx-cpu"], True, "warn"),
        (["mlx-cuda-13"], True, "ok"),
        (["mlx-cpu", "mlx-cuda-13"], True, "fail"),
        ([], False, "warn"),
    ],
)
def test_builds_of_mlx(found: list[str], has_nvidia: bool, status: str) -> None:
    assert checks.builds(found, has_nvidia).status == status


def probed(device: str = "cpu", fast: bool = True, gflops: float = 100.0) -> Probe:
    return Probe("0.32.4", device, "a machine", "openblas 0.3", "/lib/openblas.so", "", 2, fast, gflops)


@pytest.mark.parametrize(
    ("found", "name", "status"),
    [
        (probed(), "blas", "ok"),
        (probed(fast=False, gflops=1.0), "blas", "fail"),
        (probed(gflops=1.0), "blas", "warn"),
        (probed(device="gpu", fast=False), "speed", "ok"),
    ],
)
def test_what_computes(found: Probe, name: str, status: str) -> None:
    device, speed = checks.computed(found)
    assert (device.status, speed.name, speed.status) == ("ok", name, status)
    assert f"{found.gflops:,.0f} GFLOP/s" in speed.detail


def test_kernels_that_are_used() -> None:
    check = checks.kernels(
        KernelProbe("vivace-cpu 0.1.0, vnni, 2 threads", "", "", ("vnni", "portable"), 12.34, 300, 80)
    )
    assert (check.name, check.status) == ("cpu kernels", "ok")
    assert check.detail == (
        "vivace-cpu 0.1.0, vnni, 2 threads; self-test passed (vnni, portable); "
        "12.3 GB/s of weights, 300 G int8 multiply-adds/s, 80 GFLOP/s"
    )


def test_kernels_that_are_not() -> None:
    check = checks.kernels(KernelProbe("vivace-cpu", "vivace-cpu is not installed", "run `make install`"))
    assert (check.status, check.remedy) == ("warn", "run `make install`")
    assert "not used: vivace-cpu is not installed" in check.detail


@pytest.mark.skipif(sys.platform != "linux", reason="the kernels are for Linux")
def test_kernels_that_crash_take_nothing_else_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(threads: int) -> KernelProbe:
        raise ProbeError("it ended with status -11")

    monkeypatch.setattr(checks, "probe", probed)
    monkeypatch.setattr(checks, "probe_kernels", crash)
    assert [(check.name, check.status) for check in checks.compute()] == [
        ("mlx", "ok"),
        ("blas", "ok"),
        ("cpu kernels", "fail"),
    ]


def test_a_module_in_the_users_folder_is_not_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.chdir(tmp_path)
    assert probe().gflops > 0


@pytest.mark.parametrize(("free", "status"), [(100e9, "ok"), (10e9, "warn"), (0.1e9, "fail")])
def test_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: float, status: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": free})())
    assert checks.disk(tmp_path / "not" / "there" / "yet").status == status


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_free_port() -> None:
    assert checks.port(Settings(port=0)).status == "ok"


def test_a_port_that_something_else_holds(monkeypatch: pytest.MonkeyPatch, taken_port: int) -> None:
    monkeypatch.setattr("vivace.cli.client.PROBE_S", 0.1)
    check = checks.port(Settings(port=taken_port))
    assert (check.status, check.remedy) == ("fail", "choose another with --port")


def test_settings_that_cannot_be_used_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIVACE_PORT", "x")
    monkeypatch.setattr(checks, "compute", lambda threads: [])
    found = {check.name: check for check in doctor.examine()}
    assert found["settings"].status == "fail"
    assert "VIVACE_PORT" in found["settings"].detail


def test_requirements_are_names() -> None:
    assert {"mlx-lm", "httpx", "pydantic-settings"} <= set(doctor.requirements())
    assert not {"mlx", "pytest"} & set(doctor.requirements())


def test_this_machine(vivace: Vivace) -> None:
    outcome = vivace("doctor", "--json", VIVACE_PORT="0")
    found = {check["name"]: Check(**check) for check in json.loads(outcome.out)}
    assert {"python", "memory", "libraries", "mlx", "embedded model", "disk", "port"} <= set(found)
    assert (found["mlx"].status, found["embedded model"].status) == ("ok", "ok")
    assert outcome.exit_code == any(check.status == "fail" for check in found.values())


def test_people_get_a_line_each_and_what_to_do(vivace: Vivace) -> None:
    outcome = vivace("doctor", VIVACE_PORT="x")
    assert outcome.exit_code == 1
    assert "fail settings" in outcome.out
    assert "→ `vivace config --help`" in outcome.out
