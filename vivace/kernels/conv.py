"""Short depthwise convolution, as hybrids and state-space models put before their recurrence."""

import mlx.core as mx


def depthwise_conv1d(x: mx.array, weight: mx.array) -> mx.array:
    """y[b, t, c] = sum over i of x[b, t + i, c] · weight[c, i, 0]: `mx.conv1d(x, weight, groups=C)`.

    MLX's grouped convolution on the CPU goes channel by channel; K shifted products are 4 to 8 times as fast.

    Args:
        x: [B, T + K - 1, C], the last K - 1 inputs of before first.
        weight: [C, K, 1].

    Returns:
        [B, T, C].

    Raises:
        ValueError: x has fewer than K rows, or the numbers of channels differ.
    """
    channels, width, _ = weight.shape
    tokens = x.shape[1] - width + 1
    if tokens < 1 or x.shape[2] != channels:
        raise ValueError(f"x {x.shape} does not fit weight {weight.shape}")
    taps = weight[:, :, 0].T
    if tokens == 1:
        return (x * taps).sum(axis=1, keepdims=True)
    taps = mx.contiguous(taps)
    y = x[:, :tokens] * taps[0]
    for i in range(1, width):
        y = y + x[:, i : i + tokens] * taps[i]
    return y
