"""Checks that need torch. What needs none is in tests/training.

TRITON_INTERPRET=1 python -m training.check ops          kernels against plain torch (on a GPU: without the variable)
python -m training.check gradient                        plain torch against finite differences
python -m training.check hf FOLDER                       own model against transformers, float32
python -m training.check mlx-dump FOLDER FILE            (environment with mlx-lm) logits of a prompt
python -m training.check mlx-compare FOLDER FILE         (environment with torch) own model against those logits
"""

import sys
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from training.encode import Encoder
from training.evaluation.suites import held_out
from training.sample import Sample


def _prompt(folder: str) -> tuple[Sample, list[int]]:
    sample = held_out("tool_domain", 1)[0]
    return sample, Encoder(Tokenizer.from_file(f"{folder}/tokenizer.json")).prompt(sample)


def _own_logits(folder: str, ids: list[int]) -> Any:
    """[T, vocabulary] float32 of our own model."""
    import torch

    from training.checkpoint import read_folder
    from training.model import VivaceMini
    from training.network.attention import document_mask

    model = VivaceMini()
    model.load_state_dict(read_folder(folder))
    padding = -len(ids) % 64
    pos = torch.arange(len(ids) + padding)[None].int()
    with torch.no_grad():
        hidden = model.eval().hidden(torch.tensor([ids + [0] * padding]), pos, document_mask(pos))
        return model.logits(hidden)[0, : len(ids)]


def ops() -> None:
    """The Triton kernels against plain torch: relative error below 1e-2 (the dot products are TF32 on a GPU)."""
    import torch

    from training.network import delta_ops

    if not delta_ops.HAS_TRITON:
        raise SystemExit("there is no triton here")
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    a, u, w, k = (torch.randn(1, 2, 3, 64, 64, device=device) * 0.1 for _ in range(4))
    a, d = a.tril(-1) * 3, torch.rand(1, 2, 3, device=device)

    def results(use_triton: bool) -> list[torch.Tensor]:
        delta_ops.USE_TRITON = use_triton
        forward, back = delta_ops.delta_scan(u, w, k, d), delta_ops.delta_scan_back(u, w, k, w, d)
        return [delta_ops.unit_lower_inverse(a), *forward, *back]

    for fast, plain in zip(results(True), results(False), strict=True):
        error = ((fast - plain).norm() / plain.norm()).item()
        print(f"relative error {error:.1e}")
        assert error < 1e-2


def gradient() -> None:
    """The inverse's gradient against a finite difference."""
    import torch

    from training.network.delta_ops import unit_lower_inverse

    torch.manual_seed(0)
    a = (torch.randn(1, 1, 1, 64, 64, dtype=torch.double) * 0.1).tril(-1).requires_grad_()
    (grad,) = torch.autograd.grad(unit_lower_inverse(a).pow(2).sum(), a)
    e = torch.zeros_like(a)
    e[..., 5, 2] = 1e-5
    slope = (unit_lower_inverse(a + e).pow(2).sum() - unit_lower_inverse(a - e).pow(2).sum()).item() / 2e-5
    assert abs(slope - grad[0, 0, 0, 5, 2].item()) < 1e-5
    print("gradient ok")


def hf(folder: str) -> None:
    """The largest difference of logits from transformers' model; the tokens must be equal."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    sample, ids = _prompt(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(
        sample.messages[:-1],
        tools=sample.tools,
        add_generation_prompt=True,
        enable_thinking=bool(sample.think),
        tokenize=False,
    )
    assert tokenizer.encode(text) == ids, "transformers and the training code tokenize differently"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        other = model(torch.tensor([ids])).logits[0]
    print("own against transformers, max abs difference", (_own_logits(folder, ids) - other).abs().max().item())


def mlx_dump(folder: str, file: str) -> None:
    """mlx-lm's logits of the prompt, float32, as a .npy file."""
    import mlx.core as mx
    from mlx_lm import load

    _, ids = _prompt(folder)
    model, _ = load(folder)
    model.set_dtype(mx.float32)
    np.save(file, np.array(model(mx.array([ids]))[0]))


def mlx_compare(folder: str, file: str) -> None:
    """The largest difference of logits from those of `mlx-dump`."""
    _, ids = _prompt(folder)
    difference = np.abs(_own_logits(folder, ids).numpy() - np.load(file)).max()
    print("own against mlx-lm, max abs difference", difference)


CHECKS = {"ops": ops, "gradient": gradient, "hf": hf, "mlx-dump": mlx_dump, "mlx-compare": mlx_compare}

if __name__ == "__main__":
    CHECKS[sys.argv[1]](*sys.argv[2:])
