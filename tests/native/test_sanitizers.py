"""native/tests/kernel_check: every kernel on random shapes under sanitizers, on an emulated Arm, and what its object
files export. Built in native/build, so that only the first run takes long."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
TOOLS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # cmake and ninja may be in the environment
TSAN_CANNOT = "unexpected memory mapping"  # address space randomised more than this compiler's TSan knows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def built(kind: str, *options: str) -> Path:
    """The folder of an up-to-date build of the check."""
    for tool in ("cmake", "ninja", "c++"):
        if shutil.which(tool, path=TOOLS) is None:
            pytest.skip(f"no {tool}")
    folder = NATIVE / "build" / f"check-{kind}"
    sanitizer = kind if kind in ("address", "thread") else "plain"
    run("cmake", "-S", NATIVE, "-B", folder, "-G", "Ninja", f"-DVIVACE_CHECK={sanitizer}", *options)
    run("cmake", "--build", folder)
    return folder


def run(*command: str | Path, **environment: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": TOOLS, **environment})
    if TSAN_CANNOT in done.stderr:
        pytest.skip(TSAN_CANNOT)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"


def test_no_memory_error_and_no_undefined_behaviour() -> None:
    # The pool lives as long as the process; and what looks for leaks cannot run in every container.
    run(built("address") / "kernel_check", ASAN_OPTIONS="detect_leaks=0")


def test_no_data_race() -> None:
    run(built("thread") / "kernel_check", "5")


@pytest.mark.parametrize("processor", ["cortex-a53", "neoverse-n1"])  # without and with the dot product
def test_64_bit_arm(processor: str) -> None:
    if not (shutil.which("aarch64-linux-gnu-g++") and shutil.which("qemu-aarch64")):
        pytest.skip("needs g++-aarch64-linux-gnu and qemu-user")
    folder = built("arm", f"-DCMAKE_TOOLCHAIN_FILE={NATIVE / 'tests' / 'arm.cmake'}")
    run("qemu-aarch64", "-cpu", processor, folder / "kernel_check", "10")


def test_no_function_is_shared_between_instruction_sets() -> None:
    """Weak symbols of several objects are merged by the linker: the one that stays could be compiled for AVX-512."""
    if shutil.which("nm") is None:
        pytest.skip("no nm")
    # Of the portable level here; of all where the package has been built in this checkout, as make does. Without the
    # optimiser (build/check-address) functions of <cmath> are shared that never are in the product.
    folders = [built("thread"), *(f for f in (NATIVE / "build").iterdir() if not f.name.startswith("check-"))]
    objects = [path for folder in folders for path in folder.glob("CMakeFiles/kernels_*.dir/src/kernels/*.o")]
    assert objects
    listing = subprocess.run(["nm", "-C", *objects], capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^[0-9a-f]+ [WVu] (?!DW\.ref\.).*", listing, re.MULTILINE) == []  # DW.ref: data of the unwinder
