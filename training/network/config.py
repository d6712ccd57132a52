"""The sizes of Vivace Mini."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    vocab_size: int = 8192
    hidden_size: int = 384
    intermediate_size: int = 1024
    num_layers: int = 12
    full_attention_interval: int = 4
    num_heads: int = 6
    num_kv_heads: int = 2
    head_dim: int = 64
    linear_heads: int = 6
    linear_head_dim: int = 64
    conv_kernel: int = 4
    rotary_dim: int = 16
    rope_theta: float = 100000.0
    norm_eps: float = 1e-6

    def full_attention(self, layer: int) -> bool:
        """Whether the layer with this index is one of full attention."""
        return (layer + 1) % self.full_attention_interval == 0
