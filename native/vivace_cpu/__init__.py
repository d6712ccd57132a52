"""Kernels that make MLX on a Linux CPU as quick as the processor is.

Importing it raises ImportError when it was built for another MLX than the one installed: its C++ symbols and types
belong to exactly one release.
"""

from importlib.metadata import version

if version("mlx") != "0.32.4":
    raise ImportError(f"vivace-cpu was built for mlx 0.32.4 and mlx {version('mlx')} is installed: build it again")

import mlx.core  # noqa: F401  # its types must be known before ours are made

from vivace_cpu._native import *  # noqa: F403
from vivace_cpu._native import built_for_mlx, level, levels, set_level, set_threads, threads  # noqa: F401
