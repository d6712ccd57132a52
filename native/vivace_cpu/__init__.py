"""Kernels that make MLX on a Linux CPU as quick as the processor is.

Importing it raises ImportError, before anything of ours is loaded, when it was built for another MLX than the one
installed: its C++ symbols and types belong to exactly one release. So it does, too, when VIVACE_CPU_LEVEL names an
instruction set that cannot be used.
"""

from importlib.metadata import version

from vivace_cpu._built import MLX

if version("mlx") != MLX:
    raise ImportError(f"vivace-cpu was built for mlx {MLX}, and mlx {version('mlx')} is installed: build it again")

import mlx.core  # noqa: F401  # its types must be known before ours are made

from vivace_cpu._native import *  # noqa: F403
from vivace_cpu._native import built_for_mlx, level, levels, set_level, set_threads, threads  # noqa: F401
from vivace_cpu.check import self_test  # noqa: F401

try:
    level()
except ValueError as error:
    raise ImportError(f"VIVACE_CPU_LEVEL: {error}") from None
