"""What weights take in memory. Imports no MLX, so that `vivace info` can tell it too."""

DEQUANTIZE_SHARE = 0.5  # of free memory


def dequantizes(dense_bytes: int, free_bytes: int) -> bool:
    """Whether a CPU holds quantized weights as float32, which takes `dense_bytes`.

    Stock quantized products there are 3 to 100 times slower than dense ones through a real BLAS, so it does if it fits.
    """
    return dense_bytes <= DEQUANTIZE_SHARE * free_bytes
