import mlx.core as mx
import pytest

from vivace.kernels import attention as module
from vivace.kernels.attention import attention


def qkv(
    queries: int, keys: int, heads: int = 6, kv_heads: int = 2, batch: int = 1
) -> tuple[mx.array, mx.array, mx.array]:
    return (
        mx.random.normal((batch, heads, queries, 16)),
        mx.random.normal((batch, kv_heads, keys, 16)),
        mx.random.normal((batch, kv_heads, keys, 24)),
    )


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (1, 300), (7, 7), (5, 40), (130, 200), (200, 200)])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("scores", [1, 1 << 13, 1 << 18])
def test_it_is_mlxs_attention_whatever_the_blocks(
    monkeypatch: pytest.MonkeyPatch, queries: int, keys: int, causal: bool, scores: int
) -> None:
    monkeypatch.setattr(module, "_SCORES", scores)
    q, k, v = qkv(queries, keys, batch=2)
    want = mx.fast.scaled_dot_product_attention(q, k, v, scale=0.25, mask="causal" if causal else None)
    got = attention(q, k, v, scale=0.25, causal=causal)
    assert got.shape == want.shape
    assert mx.allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (8, 1)])
def test_every_way_of_sharing_keys(heads: int, kv_heads: int) -> None:
    q, k, v = qkv(9, 20, heads, kv_heads)
    want = mx.fast.scaled_dot_product_attention(q, k, v, scale=0.25, mask="causal")
    assert mx.allclose(attention(q, k, v, scale=0.25), want, rtol=1e-4, atol=1e-5)


def test_more_queries_than_keys_have_no_causal_order() -> None:
    with pytest.raises(ValueError, match="9 queries but only 4 keys"):
        attention(*qkv(9, 4), scale=1.0)
