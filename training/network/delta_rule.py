"""The gated delta rule in chunks of 64 tokens (Gated DeltaNet, arXiv:2412.06464)."""

import torch
from torch import Tensor

from training.network import delta_ops

CHUNK = 64


def chunked_delta_rule(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs [B,T,H,D] and final state [B,H,D,D] (key dim, value dim), float32.

    q, k, v [B,T,H,D]; g (log decay) and beta [B,T,H]; T is a multiple of 64.
    """
    with torch.autocast(q.device.type, enabled=False):
        return _chunked_delta_rule(q, k, v, g, beta)


def _chunks(x: Tensor) -> Tensor:
    """[B,T,H,...] to float32 [B,H,N,64,...]."""
    batch, length, heads = x.shape[:3]
    x = x.float().view(batch, length // CHUNK, CHUNK, heads, *x.shape[3:])
    return x.permute(0, 3, 1, 2, *range(4, x.ndim))


def _chunked_delta_rule(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    shape = q.shape
    q, k, v, g, beta = (_chunks(x) for x in (q, k, v, g, beta))
    cum = g.cumsum(-1)
    lower = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=q.device).tril()
    decay = (cum.unsqueeze(-1) - cum.unsqueeze(-2)).masked_fill(~lower, float("-inf")).exp()
    k_beta = k * beta.unsqueeze(-1)
    system = (k_beta @ k.transpose(-1, -2)) * decay
    inverse = delta_ops.unit_lower_inverse(system.tril(-1))
    u = inverse @ (v * beta.unsqueeze(-1))
    w = inverse @ (k_beta * cum.exp().unsqueeze(-1))
    attention = (q @ k.transpose(-1, -2)) * decay
    k_tail = k * (cum[..., -1:] - cum).exp().unsqueeze(-1)
    chunk_decay = cum[..., -1].exp()
    states, v_new = delta_ops.delta_scan(u, w, k_tail, chunk_decay)
    out = (q * cum.exp().unsqueeze(-1)) @ states + attention @ v_new
    written = k_tail[:, :, -1].transpose(-1, -2) @ v_new[:, :, -1]
    final = states[:, :, -1] * chunk_decay[:, :, -1, None, None] + written
    return out.permute(0, 2, 3, 1, 4).reshape(shape), final
