"""Normalisations, computed in float32."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


def rms_normalise(x: Tensor, eps: float) -> Tensor:
    """x [..., D] of any dtype, divided by the root mean square of its last axis; float32."""
    h = x.float()
    return h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + eps)


def l2_normalise(x: Tensor, eps: float = 1e-6) -> Tensor:
    """x [..., D] of any dtype, divided by the length of its last axis; float32."""
    x = x.float()
    return x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) + eps)


class RMSNorm(nn.Module):
    """RMS norm with a zero-centred gain (gain = 1 + weight)."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return (rms_normalise(x, self.eps) * (1.0 + self.weight.float())).type_as(x)


class GatedNorm(nn.Module):
    """RMS norm of x times silu(gate)."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        normalised = rms_normalise(x, self.eps) * self.weight.float()
        return (normalised * F.silu(gate.float())).type_as(gate)
