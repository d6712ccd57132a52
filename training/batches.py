"""Packed rows as the tensors of one training step."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.network.attention import Spans, document_mask
from training.packing import Row


class Batch(NamedTuple):
    """`tokens`, `pos` [B,T]; `starts`: where documents begin in the flattened rows, and their end (int32);
    `chosen`: trained positions of the flattened rows; `targets`: the tokens that follow them."""

    tokens: Tensor
    pos: Tensor
    starts: Tensor
    chosen: Tensor
    targets: Tensor
    longest: int

    def to(self, device: torch.device) -> "Batch":
        *tensors, longest = self
        return Batch(*(x.to(device, non_blocking=True) for x in tensors), longest)

    @property
    def spans(self) -> Spans:
        return (self.starts, self.longest) if self.tokens.is_cuda else document_mask(self.pos)


def prepare(row: Row, prompt_share: float = 0.0) -> Batch:
    """Runs in the loader's thread. Of the prompt tokens (weight < 1) only a random share is trained."""
    types = (np.int64, np.int32, np.float32)
    tokens, pos, weights = (torch.from_numpy(x.astype(t)) for x, t in zip(row, types, strict=True))
    targets = F.pad(tokens[:, 1:], (0, 1)).flatten()
    # A document's first token is never a target.
    weights = F.pad(weights[:, 1:] * (pos[:, 1:] > 0), (0, 1)).flatten()
    starts = torch.nonzero(pos.flatten() == 0).flatten().to(torch.int32)
    starts = torch.cat([starts, torch.tensor([pos.numel()], dtype=torch.int32)])
    keep = weights == 1
    if prompt_share:
        keep |= (weights > 0) & (torch.rand_like(weights) < prompt_share)
    chosen = torch.nonzero(keep).flatten()
    tensors = [tokens, pos, starts, chosen, targets[chosen]]
    if torch.cuda.is_available():
        tensors = [x.pin_memory() for x in tensors]
    return Batch(*tensors, int((starts[1:] - starts[:-1]).max()))
