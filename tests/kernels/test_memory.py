import subprocess
import sys

import pytest

from vivace.kernels.memory import keep_freed_memory


def test_glibc_takes_it_and_other_systems_are_left_alone(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    if sys.platform == "linux":
        assert keep_freed_memory(1 << 28)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_freed_memory_is_kept_and_given_back() -> None:
    """In a process of its own, whose heap nobody else keeps open."""
    code = """
import ctypes, psutil
from vivace.kernels.memory import give_back_freed_memory, keep_freed_memory
rss = psutil.Process().memory_info
keep_freed_memory(1 << 30)
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
block = libc.malloc(200 << 20)
ctypes.memset(block, 1, 200 << 20)
libc.free(block)
kept = rss().rss
give_back_freed_memory()
print(kept - rss().rss)
"""
    given_back = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert given_back > 190 << 20
