"""Give MLX's CPU build on Linux a real BLAS.

The wheel of mlx[cpu] brings the reference BLAS, at 1 to 8 GFLOP/s. `install` redirects the three matrix products
that libmlx calls to OpenBLAS, for this process only: no root, no compiler, no environment variable, no file changed.
"""

import ctypes
import importlib.util
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import numpy as np

from vivace.kernels import got
from vivace.kernels.threads import division, usable_cores

log = logging.getLogger(__name__)

_LIBRARY = "libmlx.so"
_PRODUCTS = ("cblas_sgemm", "cblas_dgemm", "cblas_cgemm")
# A file name that holds one of these is a BLAS worth keeping.
_FAST = ("openblas", "mkl", "blis", "nvpl", "armpl")


@dataclass(frozen=True)
class BlasInfo:
    """Which BLAS computes MLX's dense products on the CPU.

    `name`: `openblas 0.3.34`, `accelerate`, `reference` or `none` (a GPU computes); `path`: its file if known;
    `how`: one sentence for the log; `threads`: those it may use, 0 where they are not ours to set.
    """

    name: str
    path: str | None
    how: str
    threads: int

    def __str__(self) -> str:
        threads = f", {self.threads} thread{'s' if self.threads > 1 else ''}" if self.threads else ""
        return f"{self.name} ({self.how}){threads}"

    @property
    def fast(self) -> bool:
        """False only where every dense product goes through the reference BLAS."""
        return self.name != "reference"


class _OpenBlas:
    """A loaded OpenBLAS; its symbols may carry a prefix (`scipy_`)."""

    def __init__(self, path: str, prefix: str, threads: int) -> None:
        self.path, self._prefix = path, prefix
        # The pool is made at load, as large as the machine: a container with a quota of 2 must not start 64 threads.
        with _environment("OPENBLAS_NUM_THREADS", str(threads)):
            self._library = ctypes.CDLL(path)
        if "USE64BITINT" in self.config:
            raise got.NotPatchableError(f"{path} takes 64-bit integers, MLX passes 32-bit ones")
        self.path = got.owner(self.address("cblas_sgemm")) or path
        self.set_threads(threads)

    def _function(self, name: str) -> Callable[..., object]:
        try:
            found: Callable[..., object] = getattr(self._library, self._prefix + name)
        except AttributeError as e:
            raise got.NotPatchableError(f"{self.path} has no {self._prefix}{name}") from e
        return found

    @property
    def config(self) -> str:
        """OpenBLAS's own description: `OpenBLAS 0.3.34 DYNAMIC_ARCH … Haswell MAX_THREADS=64`."""
        function = ctypes.CFUNCTYPE(ctypes.c_char_p)(self.address("openblas_get_config"))
        return (function() or b"").decode("ascii", "replace")

    @property
    def name(self) -> str:
        """`openblas 0.3.34`: what the wheel adds to the number of the release is left out."""
        name, release, *_ = (self.config or "OpenBLAS ?").split()
        return f"{name.lower()} {'.'.join(release.split('.')[:3])}"

    def address(self, name: str) -> int:
        return ctypes.cast(self._function(name), ctypes.c_void_p).value or 0  # type: ignore[arg-type]

    def set_threads(self, threads: int) -> None:
        self._function("openblas_set_num_threads")(threads)


def install(threads: int = 0) -> BlasInfo:
    """Point libmlx at the best BLAS there is; call it before anything is computed, as often as you like.

    Args:
        threads: threads of one product; 0: what `threads.division` has for the usable cores.

    Never raises: where nothing better than the reference BLAS can be had, one warning says so and why.
    """
    if sys.platform != "linux":
        return BlasInfo("accelerate" if sys.platform == "darwin" else "unknown", None, "MLX's own BLAS", 0)
    if mx.metal.is_available() or mx.cuda.is_available():
        return BlasInfo("none", None, "a GPU computes; the CPU's BLAS is not used", 0)
    try:
        return _install(threads or division(0, usable_cores())[1])
    except (got.NotPatchableError, OSError) as e:
        log.warning(
            "MLX computes with the reference BLAS, 30 to 100 times slower than it could: %s. "
            "Remedy: pip install scipy-openblas32",
            e,
        )
        return BlasInfo("reference", None, str(e), 1)


def _install(threads: int) -> BlasInfo:
    slots = got.slots(_LIBRARY, _PRODUCTS)
    if not slots:
        return BlasInfo("unknown", None, f"{_LIBRARY} imports no BLAS: nothing to redirect", 0)
    current = got.owner(got.target(slots[0]))
    if current and any(word in Path(current).name.lower() for word in _FAST):
        return _keep(current, threads)
    reasons = []
    for find in (_find_wheel, _find_system):
        try:
            blas = find(threads)
            _redirect_checked(slots, blas)
            return BlasInfo(blas.name, blas.path, f"in place of {Path(current or 'its own').name}", threads)
        except (got.NotPatchableError, OSError) as e:
            reasons.append(str(e))
    raise got.NotPatchableError("; ".join(reasons))


def _keep(path: str, threads: int) -> BlasInfo:
    """libmlx already calls a good BLAS: a build that links one, or a second call of `install`."""
    for prefix in ("scipy_", ""):
        try:
            blas = _OpenBlas(path, prefix, threads)
        except got.NotPatchableError:
            continue
        return BlasInfo(blas.name, path, "already in use", threads)
    return BlasInfo(Path(path).name, path, "already in use", 0)


def _find_wheel(threads: int) -> _OpenBlas:
    """The scipy-openblas32 wheel. First, because its version is the one we test: at 4 to 8 rows 0.3.34 is 1.6 times
    as fast as Debian's 0.3.21, and builds older than a processor have been wrong on it."""
    spec = importlib.util.find_spec("scipy_openblas32")
    places = [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
    found = [str(f) for place in places for f in sorted((place / "lib").glob("libscipy_openblas*.so*"))]
    if not found:
        raise got.NotPatchableError("scipy-openblas32 is not installed")
    return _OpenBlas(found[0], "scipy_", threads)


def _find_system(threads: int) -> _OpenBlas:
    return _OpenBlas("libopenblas.so.0", "", threads)


def _redirect_checked(slots: list[got.Slot], blas: _OpenBlas) -> None:
    """Redirect all slots, compare a few products with numpy's, and undo everything if they differ."""
    before = [(slot, got.target(slot)) for slot in slots]
    addresses = {name: blas.address(name) for name in _PRODUCTS}
    try:
        for slot in slots:
            got.redirect(slot, addresses[slot.symbol])
        _check_products(blas.path)
    except got.NotPatchableError:
        for slot, address in before:
            got.redirect(slot, address)
        raise


def _check_products(path: str) -> None:
    rng = np.random.default_rng(0)
    for rows, inner, columns in ((1, 96, 65), (5, 33, 64), (70, 129, 40)):
        a, b = rng.standard_normal((rows, inner)), rng.standard_normal((columns, inner))
        for dtype in (mx.float32, mx.float64, mx.complex64):
            x, y = mx.array(a, dtype=dtype), mx.array(b, dtype=dtype)
            product = mx.matmul(x, y.T, stream=mx.cpu)
            if not np.allclose(np.array(product), a @ b.T, rtol=1e-4, atol=1e-4):
                raise got.NotPatchableError(f"{path} computes a {rows}x{inner}x{columns} product of {dtype} wrongly")


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def measure_gflops(n: int = 1024) -> float:
    """Speed of a float32 [n, n] by [n, n] product on the default device, in GFLOP/s; takes under a second, or one
    product where that takes longer."""
    a, b = mx.random.normal((n, n)), mx.random.normal((n, n))
    mx.eval(a, b)
    best_s, deadline = float("inf"), time.perf_counter() + 0.5
    while True:
        start = time.perf_counter()
        mx.eval(a @ b)
        end = time.perf_counter()
        best_s = min(best_s, end - start)
        if end > deadline:
            return 2 * n**3 / best_s / 1e9
