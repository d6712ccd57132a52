"""What has to be done before and while MLX and mlx-lm are imported. This file itself imports neither."""

import os
import resource
import sys
from pathlib import Path

# MLX's CUDA backend stops a process whose caches of graphs and plans are small and thrash, as they do in a server; and
# it compiles its kernels at first use, 20 to 50 s for a model, unless it finds them in a folder.
_CUDA = {
    "MLX_ENABLE_CACHE_THRASHING_CHECK": "0",
    "MLX_CUDA_GRAPH_CACHE_SIZE": "4096",
    "MLX_CUDA_SDPA_CACHE_SIZE": "2048",
}


def prepare_environment() -> None:
    """Set what the user has not set."""
    if sys.platform != "linux":
        return
    for name, value in _CUDA.items():
        os.environ.setdefault(name, value)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    os.environ.setdefault("MLX_PTX_CACHE_DIR", str(Path(cache) / "vivace" / "kernels"))


def import_mlx_lm() -> None:
    """Import mlx-lm before anything else does, without a side effect of it.

    `mlx_lm.utils`, which every module of mlx-lm brings along, lowers the process's limit of open files to 2,048, and
    the hard limit to 4,096, which only root could raise again.
    """
    kept = resource.setrlimit
    resource.setrlimit = lambda *_: None
    try:
        import mlx_lm.utils  # noqa: F401
    finally:
        resource.setrlimit = kept
