"""Gated DeltaNet: a short causal convolution, then the gated delta rule."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from training.network.config import Config
from training.network.delta_rule import chunked_delta_rule
from training.network.norms import GatedNorm, l2_normalise

RESET = -40.0  # log decay at a document's first token: wipes the recurrent state

Cache = dict[str, Tensor]


class GatedDeltaNet(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.heads, self.dim, self.kernel = c.linear_heads, c.linear_head_dim, c.conv_kernel
        inner = self.heads * self.dim
        self.in_proj_qkv = nn.Linear(c.hidden_size, 3 * inner, bias=False)
        self.in_proj_z = nn.Linear(c.hidden_size, inner, bias=False)
        self.in_proj_b = nn.Linear(c.hidden_size, self.heads, bias=False)
        self.in_proj_a = nn.Linear(c.hidden_size, self.heads, bias=False)
        self.conv1d = nn.Conv1d(3 * inner, 3 * inner, self.kernel, groups=3 * inner, bias=False)
        self.A_log = nn.Parameter(torch.empty(self.heads).uniform_(0.01, 16).log())
        self.dt_bias = nn.Parameter(torch.ones(self.heads))
        self.norm = GatedNorm(self.dim, c.norm_eps)
        self.out_proj = nn.Linear(inner, c.hidden_size, bias=False)

    def _gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Log decay and write strength, float32 [B,T,H]."""
        beta = self.in_proj_b(x).float().sigmoid()
        step = F.softplus(self.in_proj_a(x).float() + self.dt_bias.float())
        return -self.A_log.float().exp() * step, beta

    def _convolve(self, raw: Tensor, pos: Tensor) -> Tensor:
        """Causal convolution of raw [B,T,C] that does not reach across a document's start."""
        length = raw.shape[1]
        taps = self.conv1d.weight[:, 0, :].to(raw.dtype)
        mixed = raw * taps[:, -1]
        for d in range(1, self.kernel):
            shifted = F.pad(raw, (0, 0, d, 0))[:, :length]
            mixed = mixed + shifted * (pos >= d).unsqueeze(-1).to(raw.dtype) * taps[:, -1 - d]
        return mixed

    def forward(self, x: Tensor, pos: Tensor, cache: Cache | None = None) -> Tensor:
        """x [B,T,hidden]; pos [B,T] = index of each token inside its own document."""
        batch, length, _ = x.shape
        raw = self.in_proj_qkv(x)
        mixed = F.silu(self._convolve(raw, pos)).view(batch, length, 3 * self.heads, self.dim)
        q, k, v = mixed.chunk(3, dim=2)
        g, beta = self._gates(x)
        g = torch.where((pos == 0).unsqueeze(-1), torch.full_like(g, RESET), g)
        q, k = l2_normalise(q) * self.dim**-0.5, l2_normalise(k)
        out, state = chunked_delta_rule(q, k, v, g, beta)
        if cache is not None:
            cache["conv"] = raw[:, length - self.kernel + 1 :].clone()
            cache["state"] = state
        out = self.norm(out, self.in_proj_z(x).view(batch, length, self.heads, self.dim))
        return self.out_proj(out.reshape(batch, length, -1))

    def step(self, x: Tensor, cache: Cache) -> Tensor:
        """One token, x [B,1,hidden]."""
        batch = x.shape[0]
        window = torch.cat([cache["conv"], self.in_proj_qkv(x)], dim=1)
        cache["conv"] = window[:, 1:]
        mixed = F.silu((window * self.conv1d.weight[:, 0, :].t()).sum(1))
        q, k, v = mixed.view(batch, 3 * self.heads, self.dim).float().chunk(3, dim=1)
        q, k = l2_normalise(q) * self.dim**-0.5, l2_normalise(k)
        g, beta = self._gates(x)
        state = cache["state"] * g[:, 0].exp()[..., None, None]
        delta = (v - (state * k.unsqueeze(-1)).sum(-2)) * beta[:, 0].unsqueeze(-1)
        cache["state"] = state = state + k.unsqueeze(-1) * delta.unsqueeze(-2)
        out = (state * q.unsqueeze(-1)).sum(-2)
        out = self.norm(out, self.in_proj_z(x).view(batch, self.heads, self.dim))
        return self.out_proj(out.reshape(batch, 1, -1))
