"""Vivace Mini: a small hybrid language model (gated delta rule and full attention).

The arithmetic is that of the Qwen3.5 text architecture, so the weights load unchanged in transformers
(Qwen3_5ForCausalLM) and in mlx-lm (models/qwen3_5). This is an independent implementation made for training: documents
are packed back to back in rows and nothing (convolution, recurrent state, attention) leaks from one into the next.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from training.network.attention import Spans, set_spans
from training.network.blocks import Backbone
from training.network.config import Config
from training.network.delta_rule import CHUNK

_RESIDUAL_OUTPUTS = ("out_proj.weight", "o_proj.weight", "down_proj.weight")


class VivaceMini(nn.Module):
    """Parameter names equal the Hugging Face ones ("model.layers.0.linear_attn...")."""

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config or Config()
        self.model = Backbone(self.config)
        for name, parameter in self.named_parameters():
            self._initialise(name, parameter)

    def _initialise(self, name: str, parameter: Tensor) -> None:
        if parameter.ndim == 2:
            depth = (2 * self.config.num_layers) ** 0.5 if name.endswith(_RESIDUAL_OUTPUTS) else 1.0
            nn.init.normal_(parameter, std=0.02 / depth)
        elif name.endswith("conv1d.weight"):
            nn.init.normal_(parameter, std=0.3)

    def compile_blocks(self) -> None:
        """Compile each block once; blocks of one kind share the compiled code."""
        # Past nn.Module, which would list every parameter a second time.
        self.__dict__["compiled"] = [torch.compile(layer, dynamic=False) for layer in self.model.layers]

    def hidden(self, tokens: Tensor, pos: Tensor, spans: Spans) -> Tensor:
        """The training pass over packed rows: tokens, pos [B,T] to [B,T,hidden]; T is a multiple of 64."""
        set_spans(spans)
        x = self.model.embed_tokens(tokens)
        for layer in self.__dict__.get("compiled", self.model.layers):
            x = layer(x, pos, None)
        return self.model.norm(x)

    def logits(self, h: Tensor) -> Tensor:
        """h [..., hidden] to [..., vocabulary]."""
        return F.linear(h, self.model.embed_tokens.weight)

    @torch.no_grad()
    def generate(
        self, prompts: list[list[int]], stop_ids: set[int], max_new: int = 256, pad_id: int = 0
    ) -> list[list[int]]:
        """Greedy decoding of a batch of prompts; the new ids of each, up to its stop id."""
        device = self.model.embed_tokens.weight.device
        tokens, start = _pad_left(prompts, pad_id)
        last, caches = self._prefill(tokens.to(device), start.to(device))
        pos = tokens.shape[1] - start.to(device)
        stops = torch.tensor(sorted(stop_ids), device=device)
        alive = torch.ones(len(prompts), dtype=torch.bool, device=device)
        chosen: list[Tensor] = []
        for n in range(max_new):
            token = self.logits(last).argmax(-1)
            chosen.append(token)
            alive &= ~torch.isin(token[:, 0], stops)
            if n % 16 == 15 and not alive.any():  # each look at the device costs a wait
                break
            x = self.model.embed_tokens(token)
            for layer, cache in zip(self.model.layers, caches, strict=True):
                x = layer.step(x, pos[:, None], cache)
            last, pos = self.model.norm(x), pos + 1
        return [_until(row, stop_ids) for row in torch.cat(chosen, 1).tolist()]

    def _prefill(self, tokens: Tensor, start: Tensor) -> tuple[Tensor, list[dict[str, Tensor]]]:
        """The last hidden state [B,1,hidden] and the caches of rows [B,T] that begin at start [B]."""
        index = torch.arange(tokens.shape[1], device=tokens.device)
        inside = index[None] >= start[:, None]
        # The padding in front is another document, which nothing may look at.
        pos = torch.where(inside, index - start[:, None], index)
        mask = (inside[:, :, None] == inside[:, None, :]) & (index[None, :, None] >= index[None, None, :])
        caches: list[dict[str, Tensor]] = [{} for _ in self.model.layers]
        x = self.model.embed_tokens(tokens)
        for layer, cache in zip(self.model.layers, caches, strict=True):
            x = layer(x, pos, mask, cache)
        return self.model.norm(x[:, -1:]), caches


def _pad_left(prompts: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Rows [B,T] with T a multiple of 64, and where each prompt starts [B]."""
    width = -(-max(map(len, prompts)) // CHUNK) * CHUNK
    tokens = torch.full((len(prompts), width), pad_id)
    for row, prompt in enumerate(prompts):
        tokens[row, width - len(prompt) :] = torch.tensor(prompt)
    return tokens, torch.tensor([width - len(prompt) for prompt in prompts])


def _until(row: list[int], stop_ids: set[int]) -> list[int]:
    return row[: next((i for i, token in enumerate(row) if token in stop_ids), len(row))]
