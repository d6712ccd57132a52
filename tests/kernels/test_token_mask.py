import mlx.core as mx
import numpy as np
import pytest

from vivace.kernels.token_mask import apply_token_mask


@pytest.mark.parametrize("vocabulary", [1, 31, 32, 33, 100, 8192])
@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16, mx.float16])
@pytest.mark.parametrize("words", [np.int32, np.uint32])
def test_bit_i_of_word_w_is_token_32w_plus_i(vocabulary: int, dtype: mx.Dtype, words: type) -> None:
    rng = np.random.default_rng(vocabulary)
    allowed = rng.random((3, vocabulary)) < 0.5
    padded = np.pad(allowed, [(0, 0), (0, -vocabulary % 32)])
    mask = np.packbits(padded, axis=1, bitorder="little").view("<u4").view(words)
    logits = mx.array(rng.standard_normal((3, vocabulary))).astype(dtype)
    masked = apply_token_mask(logits, mx.array(mask))
    assert masked.dtype == dtype
    assert mx.array_equal(masked, mx.where(mx.array(allowed), logits, mx.array(-mx.inf, dtype)))


def test_a_row_of_ones_stays_as_it_is() -> None:
    logits = mx.random.normal((2, 70))
    assert mx.array_equal(apply_token_mask(logits, mx.full((2, 3), -1, dtype=mx.int32)), logits)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, 3), mx.int32), ((2, 2), mx.int32), ((2, 4), mx.uint32), ((2, 3), mx.int64)]
)
def test_a_mask_of_another_vocabulary_is_refused(shape: tuple[int, int], dtype: mx.Dtype) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        apply_token_mask(mx.zeros((2, 70)), mx.zeros(shape, dtype))
