"""Muon for the weight matrices (orthogonalised momentum); everything else goes to AdamW."""

from collections.abc import Iterable

import torch
import torch.nn as nn
from torch import Tensor


def orthogonalise(g: Tensor, steps: int = 5) -> Tensor:
    """Newton-Schulz iteration towards the nearest orthogonal matrix; g [n, rows, cols], result bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    flip = x.shape[-2] > x.shape[-1]
    if flip:
        x = x.transpose(-1, -2)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        s = x @ x.transpose(-1, -2)
        x = a * x + (b * s + c * s @ s) @ x
    return x.transpose(-1, -2) if flip else x


class Muon(torch.optim.Optimizer):
    """All matrices of one shape take their step together."""

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(list(params), {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.buffers: dict[torch.Size, Tensor] = {}

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for p in group["params"]:
                by_shape.setdefault(p.shape, []).append(p)
            for shape, params in by_shape.items():
                self._step_shape(shape, params, group["lr"], group["momentum"], group["weight_decay"])

    def _step_shape(
        self, shape: torch.Size, params: list[Tensor], lr: float, momentum: float, weight_decay: float
    ) -> None:
        grad = torch.stack([p.grad for p in params])
        if shape not in self.buffers:
            self.buffers[shape] = torch.zeros_like(grad)
        buffer = self.buffers[shape]
        buffer.lerp_(grad, 1 - momentum)
        update = orthogonalise(grad.lerp(buffer, momentum)).float()
        scale = -lr * max(1.0, shape[0] / shape[1]) ** 0.5
        torch._foreach_mul_(params, 1 - lr * weight_decay)
        torch._foreach_add_(params, list(update.mul_(scale).unbind(0)))


def optimisers(
    model: nn.Module, muon_lr: float, adam_lr: float, decay: float, fused: bool
) -> list[torch.optim.Optimizer]:
    """Muon for the large matrices but the embedding, AdamW for the rest (no decay for vectors)."""
    matrices, others, vectors = [], [], []
    for name, p in model.named_parameters():
        if p.ndim == 2 and min(p.shape) > 64 and "embed" not in name:
            matrices.append(p)
        else:
            (others if p.ndim == 2 else vectors).append(p)
    groups = [{"params": others, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    return [
        Muon(matrices, lr=muon_lr, weight_decay=decay),
        torch.optim.AdamW(groups, lr=adam_lr, betas=(0.9, 0.95), fused=fused),
    ]
