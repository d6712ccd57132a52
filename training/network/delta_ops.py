"""The two sequential pieces of the chunked gated delta rule, as custom operators.

unit_lower_inverse(A): (I + A)^-1 for strictly lower triangular 64x64 matrices.
delta_scan(u, w, k, decay): the recurrence over chunks, u, w, k [B,H,N,64,64], decay [B,H,N]
    v_i = u_i - w_i S_i ;  S_{i+1} = decay_i S_i + k_i^T v_i ;  S_0 = 0
On a GPU they run as Triton kernels; elsewhere as plain torch (also the reference in check.py).
"""

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

SIZE = 64
HAS_TRITON = find_spec("triton") is not None
USE_TRITON: bool | None = None  # None: on a GPU. check.py sets it, to compare the two.


def _use_triton(x: Tensor) -> bool:
    wanted = x.is_cuda if USE_TRITON is None else USE_TRITON
    return HAS_TRITON and wanted


@torch.library.custom_op("vivace::unit_lower_inverse", mutates_args=())
def unit_lower_inverse(a: torch.Tensor) -> torch.Tensor:
    a = a.contiguous()
    if _use_triton(a):
        from training.network import delta_kernels

        return delta_kernels.unit_lower_inverse(a)
    eye = torch.eye(SIZE, dtype=a.dtype, device=a.device).expand(a.shape).contiguous()
    return torch.linalg.solve_triangular(a + eye, eye, upper=False, unitriangular=True)


@unit_lower_inverse.register_fake
def _(a: Tensor) -> Tensor:
    return torch.empty_like(a, memory_format=torch.contiguous_format)


def _inverse_setup(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
    ctx.save_for_backward(output)


def _inverse_backward(ctx: Any, grad: Tensor) -> Tensor:
    t = ctx.saved_tensors[0].transpose(-1, -2)
    return -(t @ grad @ t).tril(-1)


unit_lower_inverse.register_autograd(_inverse_backward, setup_context=_inverse_setup)


@torch.library.custom_op("vivace::delta_scan", mutates_args=())
def delta_scan(
    u: torch.Tensor, w: torch.Tensor, k: torch.Tensor, decay: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(S_i before each chunk, v_i)"""
    u, w, k, decay = u.contiguous(), w.contiguous(), k.contiguous(), decay.contiguous()
    if _use_triton(u):
        from training.network import delta_kernels

        return delta_kernels.delta_scan(u, w, k, decay)
    s, v = torch.empty_like(u), torch.empty_like(u)
    state = torch.zeros_like(u[:, :, 0])
    for c in range(u.shape[2]):
        s[:, :, c] = state
        v[:, :, c] = u[:, :, c] - w[:, :, c] @ state
        state = state * decay[:, :, c, None, None] + k[:, :, c].transpose(-1, -2) @ v[:, :, c]
    return s, v


@torch.library.custom_op("vivace::delta_scan_back", mutates_args=())
def delta_scan_back(
    ds: torch.Tensor, dv: torch.Tensor, w: torch.Tensor, k: torch.Tensor, decay: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(gradient of S_{i+1}, full gradient of v_i)"""
    ds, dv, w, k, decay = (x.contiguous() for x in (ds, dv, w, k, decay))
    if _use_triton(dv):
        from training.network import delta_kernels

        return delta_kernels.delta_scan_back(ds, dv, w, k, decay)
    gs, gv = torch.empty_like(dv), torch.empty_like(dv)
    grad = torch.zeros_like(dv[:, :, 0])
    for c in reversed(range(dv.shape[2])):
        gs[:, :, c] = grad
        gv[:, :, c] = dv[:, :, c] + k[:, :, c] @ grad
        grad = grad * decay[:, :, c, None, None] + ds[:, :, c] - w[:, :, c].transpose(-1, -2) @ gv[:, :, c]
    return gs, gv


def _two_like(x: Tensor) -> tuple[Tensor, Tensor]:
    contiguous = torch.contiguous_format
    return torch.empty_like(x, memory_format=contiguous), torch.empty_like(x, memory_format=contiguous)


@delta_scan.register_fake
def _(u: Tensor, w: Tensor, k: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
    return _two_like(u)


@delta_scan_back.register_fake
def _(ds: Tensor, dv: Tensor, w: Tensor, k: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
    return _two_like(dv)


def _scan_setup(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
    _, w, k, decay = inputs
    ctx.save_for_backward(w, k, decay, *output)


def _scan_backward(ctx: Any, ds: Tensor, dv: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    w, k, decay, s, v = ctx.saved_tensors
    gs, gv = delta_scan_back(ds, dv, w, k, decay)
    return gv, -(gv @ s.transpose(-1, -2)), v @ gs.transpose(-1, -2), (s * gs).sum((-1, -2))


delta_scan.register_autograd(_scan_backward, setup_context=_scan_setup)
