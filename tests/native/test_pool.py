"""The threads of the kernels, as Python sees them; native/tests/check_pool.cpp looks at the rest. Each case runs in its
own process: the pool belongs to the process."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("vivace_cpu")

USABLE = len(os.sched_getaffinity(0))


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import mlx.core as mx, vivace_cpu\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("wish", "threads"),
    [("3", 3), ("100000", 256), ("0", USABLE), ("-2", USABLE), ("many", USABLE), ("", USABLE), ("9" * 40, 256)],
)
def test_threads_come_from_the_environment_if_that_makes_sense(wish: str, threads: int) -> None:
    assert python("print(vivace_cpu.threads())", VIVACE_THREADS=wish) == str(threads)


def test_threads_are_limited() -> None:
    code = "for n in (0, -5, 1, 300): vivace_cpu.set_threads(n); print(vivace_cpu.threads(), end=' ')"
    assert python(code) == "1 1 1 256"


def test_fewer_threads_where_the_system_grants_no_more() -> None:
    assert (
        python("""
import resource
mx.eval(mx.zeros(1) + 1)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 300_000_000, resource.RLIM_INFINITY))
vivace_cpu.set_threads(200)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
x = mx.random.normal((100, 2000))
print(1 <= vivace_cpu.threads() < 200, mx.allclose(vivace_cpu.rms_norm(x, None, 1e-6), mx.fast.rms_norm(x, None, 1e-6)))
""")
        == "True array(True, dtype=bool)"
    )
