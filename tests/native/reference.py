"""Float64 truth and how far from it a result is."""

from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

DTYPES = [mx.float32, mx.float16, mx.bfloat16]
# Relative spacing of the numbers of a dtype.
ULP = {mx.float32: 2.0**-23, mx.float16: 2.0**-10, mx.bfloat16: 2.0**-7}


def float64(array: mx.array) -> NDArray[np.float64]:
    return np.array(array.astype(mx.float32)).astype(np.float64)


def relative_rms(result: mx.array, truth: NDArray[Any]) -> float:
    """Root of the mean squared error over that of the mean squared truth."""
    scale = float(np.sqrt(np.mean(truth**2))) or 1.0
    return float(np.sqrt(np.mean((float64(result) - truth) ** 2))) / scale


def largest_error(result: mx.array, truth: NDArray[Any]) -> float:
    """Largest absolute error over the root mean square of the truth."""
    scale = float(np.sqrt(np.mean(truth**2))) or 1.0
    return float(np.max(np.abs(float64(result) - truth), initial=0.0)) / scale


def error_of_largest(result: mx.array, truth: NDArray[Any]) -> float:
    """Largest absolute error over the largest number of the truth: for results of very different size."""
    scale = float(np.max(np.abs(truth), initial=0.0)) or 1.0
    return float(np.max(np.abs(float64(result) - truth), initial=0.0)) / scale
