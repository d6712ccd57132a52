"""Products with quantized weights against float64."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native.reference import DTYPES, ULP, float64

vivace_cpu = pytest.importorskip("vivace_cpu")

few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BITS = [2, 3, 4, 5, 6, 8]
GROUPS = [32, 64, 128]
FORMATS = [*({"bits": b, "group_size": g, "mode": "affine"} for b in BITS for g in GROUPS)]
FORMATS.append({"bits": 4, "group_size": 32, "mode": "mxfp4"})
ROWS = [*range(1, 21), 64, 100]


class Case:
    """A random weight in a format, an x for it, and the product in float64."""

    def __init__(self, form: dict, m: int, n: int, groups: int, dtype: mx.Dtype, scales: mx.Dtype, seed: int) -> None:
        self.form = form
        keys = mx.random.split(mx.random.key(seed), 3)
        w = mx.random.normal((n, groups * form["group_size"]), key=keys[0]).astype(scales)
        self.w, self.scales, *rest = mx.quantize(w, **form)
        self.biases = rest[0] if rest else None
        self.x = mx.random.normal((m, w.shape[1]), key=keys[1]).astype(dtype)
        self.dense = float64(mx.dequantize(self.w, self.scales.astype(self._wide), self._wide_biases, **form))
        self.truth = float64(self.x) @ self.dense.T

    def error(self, result: mx.array) -> float:
        """Over what the products of vectors of these lengths are on average: single ones may be near zero."""
        lengths = np.linalg.norm(float64(self.x), axis=1)[:, None] * np.linalg.norm(self.dense, axis=1)
        scale = float(np.sqrt(np.mean(lengths**2) / self.x.shape[1]))
        return float(np.sqrt(np.mean((float64(result) - self.truth) ** 2))) / scale

    @property
    def _wide(self) -> mx.Dtype:
        return mx.uint8 if self.biases is None else mx.float32

    @property
    def _wide_biases(self) -> mx.array | None:
        return None if self.biases is None else self.biases.astype(mx.float32)

    def ours(self, **options: object) -> mx.array:
        packed = vivace_cpu.Packed(self.w, self.scales, self.biases, **self.form)
        return vivace_cpu.quantized_matmul(self.x, packed, **options)

    def stock(self) -> mx.array:
        scales, biases = self.scales, self.biases
        if biases is not None:
            scales, biases = scales.astype(self.x.dtype), biases.astype(self.x.dtype)
        return mx.quantized_matmul(self.x, self.w, scales, biases, **self.form)


@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f"{f['mode']}{f['bits']}g{f['group_size']}")
@few
@given(
    m=st.sampled_from(ROWS),
    n=st.integers(1, 70),
    groups=st.integers(1, 11),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 99),
)
def test_exact_is_as_exact_as_stock_and_int8_within_one_percent(
    level: str, form: dict, m: int, n: int, groups: int, dtype: mx.Dtype, seed: int
) -> None:
    case = Case(form, m, n, groups, dtype, DTYPES[seed % 3], seed)
    stock = case.error(case.stock()) if seed % 3 == DTYPES.index(dtype) else 0.0
    few_numbers = 2 if m * n < 64 else 1  # whose mean error is more by chance
    assert case.error(case.ours(exact=True)) <= few_numbers * (1.1 * stock + 4 * ULP[dtype])
    assert case.error(case.ours()) < few_numbers * 0.01 + ULP[dtype]


AFFINE4 = {"bits": 4, "group_size": 64, "mode": "affine"}


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("m", [1, 2, 9])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_row_that_is_not_finite_gives_no_finite_number_and_spoils_no_other(
    level: str, exact: bool, m: int, bad: float
) -> None:
    case = Case(AFFINE4, m, 40, 3, mx.float32, mx.float32, 1)
    clean = case.ours(exact=exact)
    case.x[m // 2, 70] = bad
    result = case.ours(exact=exact)
    assert not mx.isfinite(result[m // 2]).any()
    others = [i for i in range(m) if i != m // 2]
    assert not others or mx.array_equal(result[mx.array(others)], clean[mx.array(others)])


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_bias_and_add_in_their_dtypes(level: str, exact: bool, dtype: mx.Dtype) -> None:
    case = Case({"bits": 8, "group_size": 32, "mode": "affine"}, 7, 37, 3, dtype, mx.bfloat16, 5)
    bias, add = mx.random.normal((37,)).astype(mx.float16), mx.random.normal((7, 37)).astype(dtype)
    case.truth = case.truth + float64(bias) + float64(add)
    assert case.error(case.ours(exact=exact, bias=bias, add=add)) < (0.001 if exact else 0.01) + ULP[dtype]


def test_views_batches_and_empty_inputs(level: str) -> None:
    case = Case(AFFINE4, 12, 33, 2, mx.float32, mx.bfloat16, 3)
    expected = case.ours()
    wide = mx.concatenate([case.x, case.x], axis=1)
    case.x = wide[:, 128:].reshape(3, 4, 128)
    assert mx.array_equal(case.ours().reshape(12, 33), expected)
    padded = mx.concatenate([case.w, case.w], axis=1)
    case.w = padded[:, : case.w.shape[1]]
    assert mx.array_equal(case.ours().reshape(12, 33), expected)
    case.x = mx.zeros((0, 128))
    assert case.ours().shape == (0, 33)
    case.x, case.w, case.scales, case.biases = mx.ones((2, 128)), case.w[:0], case.scales[:0], case.biases[:0]
    assert case.ours().shape == (2, 0)


def test_zeros_and_tiny_numbers_are_zeros(level: str) -> None:
    case = Case(AFFINE4, 3, 20, 2, mx.float32, mx.float32, 3)
    case.x = mx.zeros((3, 128))
    assert mx.array_equal(case.ours(), mx.zeros((3, 20)))
    case.x = mx.full((3, 128), 1e-40)
    assert float(mx.abs(case.ours()).max()) < 1e-36


def test_results_do_not_depend_on_threads(level: str) -> None:
    case = Case(AFFINE4, 9, 200, 3, mx.float32, mx.bfloat16, 3)
    before, results = vivace_cpu.threads(), []
    for threads in (1, 3):
        vivace_cpu.set_threads(threads)
        results.append(case.ours())
        mx.eval(results)
    vivace_cpu.set_threads(before)
    assert mx.array_equal(*results)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 7}, "bits"),
        ({"group_size": 16}, "group_size"),
        ({"group_size": 128}, "scales"),
        ({"mode": "mxfp4"}, "mxfp4"),
        ({"mode": "nvfp4"}, "mode"),
        ({"bits": 8}, "scales"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    case = Case(AFFINE4, 2, 8, 2, mx.float32, mx.float32, 0)
    case.form = AFFINE4 | change
    with pytest.raises(ValueError, match=message):
        case.ours()


def test_wrong_dtypes_and_shapes_are_refused() -> None:
    case = Case(AFFINE4, 2, 8, 2, mx.float32, mx.float32, 0)
    for name, value in {
        "x": mx.zeros((2, 128), mx.int32),
        "w": case.w.astype(mx.int32),
        "scales": case.scales[:4],
        "biases": case.biases.astype(mx.float16),
    }.items():
        broken = Case(AFFINE4, 2, 8, 2, mx.float32, mx.float32, 0)
        setattr(broken, name, value)
        with pytest.raises(ValueError):
            broken.ours()
    with pytest.raises(ValueError, match="bias"):
        case.ours(bias=mx.zeros(7))
    with pytest.raises(ValueError, match="add"):
        case.ours(add=mx.zeros((2, 7)))


@pytest.mark.parametrize(("bits", "group"), [(4, 64), (8, 64), (4, 32), (8, 128), (6, 64), (3, 32)])
def test_a_row_gives_the_same_bits_in_any_company(level: str, bits: int, group: int) -> None:
    """Rounding to int8 would make a visible difference of a last bit: batched and alone must not differ by one."""
    k, n = 4 * group + 2 * 128, 75
    w = vivace_cpu.Packed(
        *mx.quantize(mx.random.normal((n, k), key=mx.random.key(0)), group, bits), group_size=group, bits=bits
    )
    x = mx.random.normal((23, k), key=mx.random.key(1))
    together = vivace_cpu.quantized_matmul(x, w)
    for rows in (1, 2, 3, 5, 9):
        part = vivace_cpu.quantized_matmul(x[:rows], w)
        assert mx.array_equal(part, together[:rows])
