"""Blocks come back from bytes: exactly, or with the error that theory gives, and each on its own."""

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivace.engine.cache.codecs import NAMES, codec
from vivace.engine.cache.codecs.affine import GROUP
from vivace.engine.cache.codecs.codebook import codebook

DTYPES = [mx.float32, mx.float16, mx.bfloat16]
DEPTHS = [1, 3, 8, 15, 16, 20, 64, 80, 96, 100, 128, 192, 256, 576]
ROTATED = {"k8v4": 4, "v4": 4, "v3": 3, "v2": 2}
LOSSY = [name for name in NAMES if name != "plain"]


def random(shape: tuple[int, ...], dtype: mx.Dtype = mx.float32, seed: int = 0) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed)).astype(dtype)


def with_outliers(shape: tuple[int, ...]) -> mx.array:
    """As keys are in practice: two coordinates are 30 times as large as the others, and lengths differ much."""
    at = mx.arange(shape[-1])
    scale = mx.where((at == 1) | (at == shape[-1] - 3), 30.0, 1.0)
    return random(shape) * scale * mx.exp(2 * random((*shape[:-1], 1), seed=1))


def there_and_back(name: str, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
    coded = codec(name)
    return coded.decode(coded.encode(keys, values), keys.shape[1:], values.shape[1:], keys.dtype)


def squared_error(x: mx.array, found: mx.array) -> float:
    """Mean over vectors, relative to each vector's own length."""
    x, found = x.astype(mx.float32), found.astype(mx.float32)
    return (mx.square(x - found).sum(axis=-1) / mx.square(x).sum(axis=-1)).mean().item()


def theory(depth: int, bits: int) -> float:
    """A vector whose rounded direction is stretched until nothing of it along the true one is missing."""
    distortion = codebook(depth, bits).distortion
    return distortion / (1 - distortion)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", NAMES)
def test_rows_have_the_announced_size_and_shapes_and_dtype_come_back(name, depth, dtype):
    keys, values = random((3, 2, 8, depth), dtype), random((3, 1, 8, depth + 1), dtype, 1)
    rows = codec(name).encode(keys, values)
    assert rows.dtype == mx.uint8
    assert rows.shape == (3, codec(name).nbytes((2, 8, depth), (1, 8, depth + 1), dtype))
    for x, found in zip((keys, values), there_and_back(name, keys, values), strict=True):
        assert (found.shape, found.dtype) == (x.shape, x.dtype)
        assert squared_error(x, found) < 0.2


@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_is_exact_to_the_bit_whatever_is_stored(dtype):
    bits = mx.random.randint(0, 256, (4, 2, 8, 16 * dtype.size), key=mx.random.key(0)).astype(mx.uint8)
    x = bits.view(dtype)  # NaN, infinities and subnormal numbers among them
    for found in there_and_back("plain", x, x):
        assert mx.array_equal(found.view(mx.uint8), bits)


@pytest.mark.parametrize("name", ["v4", "v3", "v2"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_names_that_begin_with_v_leave_keys_alone(name, dtype):
    keys = random((2, 2, 8, 64), dtype)
    assert mx.array_equal(there_and_back(name, keys, keys)[0], keys)


@pytest.mark.parametrize("depth", [16, 64, 80, 96, 128, 192, 256, 576])
@pytest.mark.parametrize(("name", "bits"), ROTATED.items())
def test_rotated_values_have_the_error_of_theory(name, bits, depth):
    values = random((4, 4, 64, depth))
    found = squared_error(values, there_and_back(name, values, values)[1])
    assert found == pytest.approx(theory(depth, bits), rel=0.05 if depth >= 64 else 0.15)


@pytest.mark.parametrize("depth", [16, 64, 80, 96, 128, 192, 256, 576])
@pytest.mark.parametrize(("name", "bits"), ROTATED.items())
def test_rotated_values_have_no_larger_error_where_coordinates_stand_out(name, bits, depth):
    values = with_outliers((4, 4, 64, depth))
    assert squared_error(values, there_and_back(name, values, values)[1]) < theory(depth, bits)


@pytest.mark.parametrize("name", ["k8v4", "v3", "v2"])
def test_rotated_values_are_not_too_short(name):
    values = random((2, 2, 64, 128))
    found = there_and_back(name, values, values)[1]
    kept = (values * found).sum(axis=-1) / mx.square(values).sum(axis=-1)
    assert mx.allclose(kept, mx.ones_like(kept), atol=4e-3)  # bfloat16 rounds lengths


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [16, 64, 80, 128, 100])
def test_8_bits_err_by_half_a_step_at_most(depth, dtype):
    x = with_outliers((2, 2, 16, depth)).astype(dtype)
    found = there_and_back("q8", x, x)[0]
    wide = x.astype(mx.float32)
    step = 2 * mx.abs(wide).max(axis=-1, keepdims=True) / 255
    rounding = mx.abs(wide) * mx.finfo(dtype).eps
    assert (mx.abs(wide - found.astype(mx.float32)) <= 0.52 * step + rounding).all()


def test_8_bits_keep_what_an_outlier_of_another_group_would_hide():
    x = random((1, 1, 4, 2 * GROUP))
    x[..., 0] = 1000.0
    quiet = there_and_back("q8", x, x)[0][..., GROUP:]
    assert squared_error(x[..., GROUP:], quiet) < 1e-4


@given(
    st.sampled_from(NAMES),
    st.sampled_from(DTYPES),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 9),
    st.integers(1, 130),
    st.integers(0, 130),
)
@settings(max_examples=60, deadline=None)
def test_each_row_is_read_alone(name, dtype, blocks, heads, n, key_depth, value_depth):
    keys, values = random((blocks, heads, n, key_depth), dtype), random((blocks, heads, n, value_depth), dtype)
    coded, shapes = codec(name), (keys.shape[1:], values.shape[1:])
    rows = coded.encode(keys, values)
    together = coded.decode(rows, *shapes, dtype)
    for i in range(blocks):
        assert mx.array_equal(coded.encode(keys[i : i + 1], values[i : i + 1]), rows[i : i + 1])
        alone = coded.decode(rows[i : i + 1], *shapes, dtype)
        for one, all_of_them in zip(alone, together, strict=True):
            assert mx.array_equal(one[0], all_of_them[i])


@given(st.sampled_from(LOSSY), st.sampled_from(DTYPES), st.sampled_from([8, 16, 64, 80, 128]), st.data())
@settings(max_examples=60, deadline=None)
def test_a_vector_that_is_not_finite_spoils_no_other(name, dtype, depth, data):
    x = random((2, 2, 4, depth), dtype)
    bad = data.draw(st.sampled_from([float("nan"), float("inf"), float("-inf")]))
    clean = there_and_back(name, x, x)
    x[0, 1, 2, data.draw(st.integers(0, depth - 1))] = bad
    found = there_and_back(name, x, x)
    other = mx.ones((2, 2, 4, 1), mx.bool_)
    other[0, 1, 2] = False
    for before, after in zip(clean, found, strict=True):
        assert mx.array_equal(mx.where(other, after, 0), mx.where(other, before, 0))
    assert mx.isfinite(found[1]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSY)
@pytest.mark.parametrize("number", [0.0, 1e-7, 5.0, 6e4])
def test_constant_vectors_come_back(name, number, dtype):
    x = mx.full((1, 2, 4, 64), number, dtype)
    for found in there_and_back(name, x, x):
        assert mx.isfinite(found).all()
        wide = x.astype(mx.float32)
        error = mx.linalg.norm(found.astype(mx.float32) - wide, axis=-1)
        assert (error <= 0.5 * mx.linalg.norm(wide, axis=-1) + 1e-6).all()


def test_values_may_have_no_width_and_there_may_be_no_block():
    keys, values = random((2, 1, 8, 64)), mx.zeros((2, 1, 8, 0))
    for name in NAMES:
        assert there_and_back(name, keys, values)[1].shape == (2, 1, 8, 0)
        assert there_and_back(name, keys[:0], values[:0])[0].shape == (0, 1, 8, 64)


@pytest.mark.parametrize(("name", "like"), [("k8v4", "q8"), ("v4", "plain"), ("v2", "plain")])
def test_what_latent_attention_caches_is_coded_as_keys(name, like):
    latents, positions = random((2, 1, 8, 512)), random((2, 1, 8, 64), seed=1)
    assert mx.array_equal(codec(name).encode(latents, positions), codec(like).encode(latents, positions))


@pytest.mark.parametrize(("name", "smaller"), [("v4", 0.73), ("v3", 0.80), ("v2", 0.86)])
def test_values_of_a_dense_model_get_that_much_smaller_than_in_bfloat16(name, smaller):
    block = (8, 64, 128)
    plain, coded = (codec(each).nbytes((8, 64, 0), block, mx.bfloat16) for each in ("plain", name))
    assert 1 - coded / plain >= smaller


def test_short_vectors_take_no_more_bytes_than_plain():
    for name in NAMES:
        for depth in range(1, 20):
            shapes = (1, 4, depth), (1, 4, depth)
            assert codec(name).nbytes(*shapes, mx.float16) <= codec("plain").nbytes(*shapes, mx.float16)


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match=r"'v5'.*plain, q8, k8v4, v4, v3, v2"):
        codec("v5")
