"""Full attention with grouped keys and values, partial rotary positions and an output gate."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from training.network.config import Config
from training.network.norms import RMSNorm

# A boolean mask [B,T,T], or (cumulative document lengths int32, the longest) for flash attention.
Spans = Tensor | tuple[Tensor, int]
Cache = dict[str, Tensor]

_packed: dict[str, Spans] = {}  # of the current batch; kept out of the compiled code, as their number varies


def set_spans(spans: Spans) -> None:
    """The document boundaries for the following training pass."""
    _packed["spans"] = spans


def document_mask(pos: Tensor) -> Tensor:
    """The mask [B,T,T] of packed rows with positions [B,T], for machines without flash attention."""
    document = (pos == 0).cumsum(1)
    same = document[:, :, None] == document[:, None, :]
    return same & torch.ones(pos.shape[1], pos.shape[1], dtype=torch.bool).tril()


@torch.compiler.disable
def packed_attention(q: Tensor, k: Tensor, v: Tensor, spans: Tensor | None) -> Tensor:
    """Causal attention inside each document; q, k, v [B,T,H,D]. `spans` None: those of `set_spans`."""
    batch, length, heads, dim = q.shape
    where: Spans = _packed["spans"] if spans is None else spans
    if isinstance(where, tuple):
        cu, longest = where
        flat = [x.reshape(batch * length, heads, dim) for x in (q, k, v)]
        out = torch.ops.aten._flash_attention_forward(
            *flat, cu, cu, longest, longest, 0.0, True, False, scale=dim**-0.5
        )[0]
        return out.view(batch, length, heads, dim)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=where[:, None]).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.dim = c.num_heads, c.num_kv_heads, c.head_dim
        self.rotary_dim, self.theta = c.rotary_dim, c.rope_theta
        self.q_proj = nn.Linear(c.hidden_size, 2 * self.heads * self.dim, bias=False)
        self.k_proj = nn.Linear(c.hidden_size, self.kv_heads * self.dim, bias=False)
        self.v_proj = nn.Linear(c.hidden_size, self.kv_heads * self.dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.dim, c.hidden_size, bias=False)
        self.q_norm = RMSNorm(self.dim, c.norm_eps)
        self.k_norm = RMSNorm(self.dim, c.norm_eps)

    def _rotate(self, x: Tensor, pos: Tensor) -> Tensor:
        """Rotary positions pos [B,T] on the first dimensions of x [B,T,H,D]."""
        r = self.rotary_dim
        freq = self.theta ** (-torch.arange(0, r, 2, device=x.device).float() / r)
        angle = pos.float().unsqueeze(-1) * freq
        cos, sin = angle.cos().unsqueeze(2), angle.sin().unsqueeze(2)
        a, b, rest = x[..., : r // 2].float(), x[..., r // 2 : r].float(), x[..., r:]
        return torch.cat([(a * cos - b * sin).type_as(x), (b * cos + a * sin).type_as(x), rest], dim=-1)

    def _project(self, x: Tensor, pos: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        batch, length, _ = x.shape
        q, gate = self.q_proj(x).view(batch, length, self.heads, 2 * self.dim).chunk(2, dim=-1)
        k = self.k_norm(self.k_proj(x).view(batch, length, self.kv_heads, self.dim))
        v = self.v_proj(x).view(batch, length, self.kv_heads, self.dim)
        return self._rotate(self.q_norm(q), pos), self._rotate(k, pos), v, gate.reshape(batch, length, -1)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, gate: Tensor, spans: Tensor | None) -> Tensor:
        repeats = self.heads // self.kv_heads
        k, v = k.repeat_interleave(repeats, dim=2), v.repeat_interleave(repeats, dim=2)
        out = packed_attention(q, k, v, spans)
        return self.o_proj(out.reshape(gate.shape) * torch.sigmoid(gate))

    def forward(self, x: Tensor, pos: Tensor, spans: Tensor | None, cache: Cache | None = None) -> Tensor:
        """x [B,T,hidden], pos [B,T]; a cache needs `spans`."""
        q, k, v, gate = self._project(x, pos)
        if cache is not None and spans is not None:
            cache["k"], cache["v"], cache["mask"] = k, v, spans[:, -1:]
        return self._attend(q, k, v, gate, spans)

    def step(self, x: Tensor, pos: Tensor, cache: Cache) -> Tensor:
        """One token, x [B,1,hidden]."""
        q, k, v, gate = self._project(x, pos)
        cache["k"] = torch.cat([cache["k"], k], dim=1)
        cache["v"] = torch.cat([cache["v"], v], dim=1)
        cache["mask"] = F.pad(cache["mask"], (0, 1), value=True)
        return self._attend(q, cache["k"], cache["v"], gate, cache["mask"])
