"""What has to be in the environment before MLX is imported. Imports nothing of it."""

import os
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
