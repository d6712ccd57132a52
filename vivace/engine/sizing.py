"""What weights and sequences take in memory. Imports no MLX, so that `vivace info` can use it too."""

from dataclasses import dataclass

DEQUANTIZE_SHARE = 0.5  # of free memory
EXPECTED_OUTPUT = 1024  # tokens of an answer that are counted on; most end sooner, whatever their limit


def dequantizes(dense_bytes: int, free_bytes: int) -> bool:
    """Whether a CPU holds quantized weights as float32, which takes `dense_bytes`.

    Stock quantized products there are 3 to 100 times slower than dense ones through a real BLAS, so it does if it fits.
    """
    return dense_bytes <= DEQUANTIZE_SHARE * free_bytes


@dataclass(frozen=True)
class CacheCost:
    """Bytes that one sequence's caches take: `fixed` (recurrent state, windows) and `per_token`."""

    fixed: int = 0
    per_token: int = 0

    def nbytes(self, tokens: int) -> int:
        return self.fixed + tokens * self.per_token

    def expected(self, prompt: int, max_tokens: int) -> int:
        """Of a request with so many prompt tokens, before its output is known."""
        return self.nbytes(prompt + min(max_tokens, EXPECTED_OUTPUT))
