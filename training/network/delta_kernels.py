"""Triton kernels of the gated delta rule's sequential pieces, float32, for chunks and heads of 64.

Importing this module needs triton; TRITON_INTERPRET=1 runs the kernels without a GPU.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _dot(a, b):
    return tl.dot(a, b, input_precision="ieee")


@triton.jit
def _inverse16(a, i):
    """Inverse of I + a, a strictly lower 16x16, by forward substitution."""
    x = -a
    for r in range(1, 16):
        row = tl.sum(tl.where(i[:, None] == r, x, 0.0), axis=0)
        col = tl.sum(tl.where(i[None, :] == i[:, None], row[None, :], 0.0), axis=1)
        new = row + tl.sum(col[:, None] * x, axis=0)
        x = tl.where(i[:, None] == r, new[None, :], x)
    return x + tl.where(i[:, None] == i[None, :], 1.0, 0.0)


@triton.jit
def _inverse_kernel(a_ptr, t_ptr):
    base = tl.program_id(0).to(tl.int64) * 4096
    i = tl.arange(0, 16)
    o = i[:, None] * 64 + i[None, :]
    a = a_ptr + base + o
    t = t_ptr + base + o
    t00 = _inverse16(tl.load(a), i)
    t11 = _inverse16(tl.load(a + 16 * 65), i)
    t22 = _inverse16(tl.load(a + 32 * 65), i)
    t33 = _inverse16(tl.load(a + 48 * 65), i)
    a10, a20, a30 = tl.load(a + 16 * 64), tl.load(a + 32 * 64), tl.load(a + 48 * 64)
    a21, a31 = tl.load(a + 32 * 64 + 16), tl.load(a + 48 * 64 + 16)
    a32 = tl.load(a + 48 * 64 + 32)
    t10 = -_dot(t11, _dot(a10, t00))
    t21 = -_dot(t22, _dot(a21, t11))
    t32 = -_dot(t33, _dot(a32, t22))
    t20 = -_dot(t22, _dot(a20, t00) + _dot(a21, t10))
    t31 = -_dot(t33, _dot(a31, t11) + _dot(a32, t21))
    t30 = -_dot(t33, _dot(a30, t00) + _dot(a31, t10) + _dot(a32, t20))
    zero = tl.zeros([16, 16], tl.float32)
    tl.store(t, t00)
    tl.store(t + 16, zero)
    tl.store(t + 32, zero)
    tl.store(t + 48, zero)
    tl.store(t + 16 * 64, t10)
    tl.store(t + 16 * 65, t11)
    tl.store(t + 16 * 64 + 32, zero)
    tl.store(t + 16 * 64 + 48, zero)
    tl.store(t + 32 * 64, t20)
    tl.store(t + 32 * 64 + 16, t21)
    tl.store(t + 32 * 65, t22)
    tl.store(t + 32 * 64 + 48, zero)
    tl.store(t + 48 * 64, t30)
    tl.store(t + 48 * 64 + 16, t31)
    tl.store(t + 48 * 64 + 32, t32)
    tl.store(t + 48 * 65, t33)


@triton.jit
def _scan_kernel(u_ptr, w_ptr, k_ptr, d_ptr, s_ptr, v_ptr, chunks, width: tl.constexpr):
    """One (batch, head), width value columns: walk the chunks forward."""
    seq = tl.program_id(0).to(tl.int64) * chunks
    rows = tl.arange(0, 64)
    cols = tl.program_id(1) * width + tl.arange(0, width)
    full = rows[:, None] * 64 + rows[None, :]
    part = rows[:, None] * 64 + cols[None, :]
    state = tl.zeros([64, width], tl.float32)
    for c in range(chunks):
        base = (seq + c) * 4096
        tl.store(s_ptr + base + part, state)
        w = tl.load(w_ptr + base + full)
        k = tl.load(k_ptr + base + full)
        v = tl.load(u_ptr + base + part) - tl.dot(w, state)
        tl.store(v_ptr + base + part, v)
        state = state * tl.load(d_ptr + seq + c) + tl.dot(tl.trans(k), v)


@triton.jit
def _scan_back_kernel(ds_ptr, dv_ptr, w_ptr, k_ptr, d_ptr, gs_ptr, gv_ptr, chunks, width: tl.constexpr):
    """Walk backward.  gs_i = gradient of S_{i+1}; gv_i = full gradient of v_i."""
    seq = tl.program_id(0).to(tl.int64) * chunks
    rows = tl.arange(0, 64)
    cols = tl.program_id(1) * width + tl.arange(0, width)
    full = rows[:, None] * 64 + rows[None, :]
    part = rows[:, None] * 64 + cols[None, :]
    grad = tl.zeros([64, width], tl.float32)
    for n in range(chunks):
        c = chunks - 1 - n
        base = (seq + c) * 4096
        tl.store(gs_ptr + base + part, grad)
        w = tl.load(w_ptr + base + full)
        k = tl.load(k_ptr + base + full)
        gv = tl.load(dv_ptr + base + part) + tl.dot(k, grad)
        tl.store(gv_ptr + base + part, gv)
        grad = grad * tl.load(d_ptr + seq + c) + tl.load(ds_ptr + base + part) - tl.dot(tl.trans(w), gv)


def unit_lower_inverse(a: Tensor) -> Tensor:
    """(I + a)^-1 of contiguous a [..., 64, 64], strictly lower triangular."""
    out = torch.empty_like(a)
    _inverse_kernel[(a.numel() // 4096,)](a, out, num_warps=1)
    return out


def delta_scan(u: Tensor, w: Tensor, k: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
    """The recurrence over chunks of contiguous u, w, k [B,H,N,64,64] and decay [B,H,N]."""
    s, v = torch.empty_like(u), torch.empty_like(u)
    _scan_kernel[(u.shape[0] * u.shape[1], 2)](u, w, k, decay, s, v, u.shape[2], width=32, num_warps=4)
    return s, v


def delta_scan_back(ds: Tensor, dv: Tensor, w: Tensor, k: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
    """Its gradient: that of S_{i+1} and the full one of v_i."""
    gs, gv = torch.empty_like(dv), torch.empty_like(dv)
    grid = (dv.shape[0] * dv.shape[1], 2)
    _scan_back_kernel[grid](ds, dv, w, k, decay, gs, gv, dv.shape[2], width=32, num_warps=4)
    return gs, gv
