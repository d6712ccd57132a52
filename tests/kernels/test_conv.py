import mlx.core as mx
import pytest

from vivace.kernels.conv import depthwise_conv1d


@pytest.mark.parametrize("tokens", [1, 2, 3, 50])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_it_is_mlxs_grouped_convolution(tokens: int, width: int) -> None:
    x, weight = mx.random.normal((2, tokens + width - 1, 12)), mx.random.normal((12, width, 1))
    want = mx.conv1d(x, weight, groups=12)
    got = depthwise_conv1d(x, weight)
    assert got.shape == want.shape
    assert mx.allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3, 12), (1, 8, 11)])
def test_an_input_that_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        depthwise_conv1d(mx.zeros(shape), mx.zeros((12, 4, 1)))
