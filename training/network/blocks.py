"""The two kinds of block, and the stack of them."""

import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from training.network.attention import Attention, Cache
from training.network.config import Config
from training.network.delta_net import GatedDeltaNet
from training.network.norms import RMSNorm


class MLP(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)
        self.up_proj = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)
        self.down_proj = nn.Linear(c.intermediate_size, c.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DeltaBlock(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(c.hidden_size, c.norm_eps)
        self.linear_attn = GatedDeltaNet(c)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.norm_eps)
        self.mlp = MLP(c)

    def forward(self, x: Tensor, pos: Tensor, spans: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        x = x + self.linear_attn(self.input_layernorm(x), pos, cache)
        return x + self.mlp(self.post_attention_layernorm(x))

    def step(self, x: Tensor, pos: Tensor, cache: Cache) -> Tensor:
        x = x + self.linear_attn.step(self.input_layernorm(x), cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class AttentionBlock(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(c.hidden_size, c.norm_eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.norm_eps)
        self.mlp = MLP(c)

    def forward(self, x: Tensor, pos: Tensor, spans: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), pos, spans, cache)
        return x + self.mlp(self.post_attention_layernorm(x))

    def step(self, x: Tensor, pos: Tensor, cache: Cache) -> Tensor:
        x = x + self.self_attn.step(self.input_layernorm(x), pos, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Backbone(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(
            AttentionBlock(c) if c.full_attention(i) else DeltaBlock(c) for i in range(c.num_layers)
        )
        self.norm = RMSNorm(c.hidden_size, c.norm_eps)
