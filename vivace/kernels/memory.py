"""Keep freed memory in the process, where MLX gets it from malloc, and give it back when nothing is to be done."""

import ctypes
import sys

# mallopt's parameters, from malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory(nbytes: int = 1 << 30) -> bool:
    """Let glibc reuse up to `nbytes` of freed memory instead of giving it back; False on other systems.

    MLX's CPU build calls malloc for every array. By default each large one is mapped afresh and every page of it
    faults: a [1, 2048, 1152] convolution took 18 ms so, and 3 ms with the memory kept.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return False
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, nbytes) and libc.mallopt(_M_TRIM_THRESHOLD, nbytes))


def give_back_freed_memory() -> None:
    """Return what is free to the system, where glibc keeps it: after a long prompt that can be a gigabyte."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
