"""Every case runs in its own process: where libmlx finds its BLAS belongs to the process."""

import json
import re
import subprocess
import sys
import textwrap
from typing import Any

import mlx.core as mx
import pytest

cpu_linux = pytest.mark.skipif(
    sys.platform != "linux" or mx.cuda.is_available(), reason="only MLX's CPU build on Linux needs another BLAS"
)

WITHOUT_WHEEL = (
    "import importlib.util as i; find_spec = i.find_spec; "
    "i.find_spec = lambda name, *rest: None if name == 'scipy_openblas32' else find_spec(name, *rest)"
)
WITHOUT_SYSTEM = "blas._find_system = lambda threads: blas._OpenBlas('libmissing.so.0', '', threads)"
OWNER = "got.owner(got.target(got.slots('libmlx.so', ['cblas_sgemm'])[0]))"


def python(code: str) -> tuple[Any, str]:
    """Run statements that end in `result = …`; its JSON value and what was written to stderr."""
    script = "import json, os\nimport mlx.core as mx\nfrom vivace.kernels import blas, got\n" + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", script + "\nprint(json.dumps(result))"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@cpu_linux
def test_the_wheel_takes_the_place_of_the_reference_blas() -> None:
    (name, path, owner, threads), stderr = python(f"""
        info = blas.install(threads=1)
        result = [str(info), info.path, {OWNER}, info.threads]
    """)
    assert re.fullmatch(r"openblas 0\.3\.\d+ \(in place of libblas\S+\), 1 thread", name)
    assert "scipy_openblas" in path
    assert owner == path
    assert threads == 1
    assert stderr == ""


@cpu_linux
def test_it_is_at_least_three_times_as_fast() -> None:
    (before, after), _ = python("""
        before = blas.measure_gflops(256)
        blas.install(threads=1)
        result = [before, blas.measure_gflops(256)]
    """)
    assert after > 3 * before


@cpu_linux
def test_a_second_call_only_sets_the_threads() -> None:
    (first, second, threads), _ = python("""
        first, second = blas.install(threads=1), blas.install(threads=2)
        library = blas._OpenBlas(second.path, "scipy_", 2)
        threads = library._function("openblas_get_num_threads")()
        result = [first.path, [second.path, second.how, second.threads], threads]
    """)
    assert second == [first, "already in use", 2]
    assert threads == 2


@cpu_linux
def test_without_any_openblas_there_is_one_warning_and_the_reference_goes_on() -> None:
    (name, fast, how, total), stderr = python(f"""
        {WITHOUT_WHEEL}
        {WITHOUT_SYSTEM}
        info = blas.install()
        result = [info.name, info.fast, info.how, mx.matmul(mx.ones((3, 4)), mx.ones((4, 5))).sum().item()]
    """)
    assert (name, fast, total) == ("reference", False, 60.0)
    assert "scipy-openblas32 is not installed" in how
    assert "libmissing.so.0" in how
    assert stderr.count("reference BLAS") == 1
    assert "pip install scipy-openblas32" in stderr


@cpu_linux
def test_a_blas_that_computes_wrongly_is_taken_out_again() -> None:
    (name, how, restored), _ = python(f"""
        import ctypes
        before = {OWNER}
        nothing = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value
        right = blas._OpenBlas.address
        blas._OpenBlas.address = lambda self, name: nothing if name == "cblas_sgemm" else right(self, name)
        {WITHOUT_SYSTEM}
        info = blas.install()
        result = [info.name, info.how, {OWNER} == before]
    """)
    assert name == "reference"
    assert "wrongly" in how
    assert restored


@cpu_linux
def test_the_environment_is_left_as_it_was() -> None:
    result, _ = python("""
        before = dict(os.environ)
        blas.install(threads=1)
        result = dict(os.environ) == before
    """)
    assert result


@pytest.mark.parametrize(("platform", "name"), [("darwin", "accelerate"), ("freebsd14", "unknown")])
def test_elsewhere_it_leaves_mlx_alone(platform: str, name: str) -> None:
    result, stderr = python(f"""
        import sys
        sys.platform = "{platform}"
        info = blas.install()
        result = [info.name, info.fast, info.threads]
    """)
    assert result == [name, True, 0]
    assert stderr == ""


def test_where_a_gpu_computes_it_says_so() -> None:
    result, _ = python("""
        mx.cuda.is_available = lambda: True
        result = blas.install().name
    """)
    assert result == ("none" if sys.platform == "linux" else "accelerate")
