"""Repetition, presence and frequency penalties and logit bias of one row, applied before sampling.

Repetition (CTRL, arXiv:1909.05858) covers prompt and output; presence and frequency, as OpenAI defines them, the output
alone. Counts live in host arrays of the vocabulary's width, so a token costs the same however long the text is.
"""

import mlx.core as mx
import numpy as np

from vivace.protocol import Sampling


def wants_penalties(sampling: Sampling) -> bool:
    return bool(
        sampling.repetition_penalty != 1
        or sampling.presence_penalty
        or sampling.frequency_penalty
        or sampling.logit_bias
    )


class Penalties:
    """The state of one row."""

    def __init__(self, sampling: Sampling, prompt: list[int], vocab: int) -> None:
        self._sampling = sampling
        self._seen = np.zeros(vocab, dtype=bool)  # in prompt or output
        self._shift = np.zeros(vocab, dtype=np.float32)  # what is added to the logits
        ids = np.asarray(prompt, dtype=np.int64)
        self._seen[ids[ids < vocab]] = True
        for token, bias in sampling.logit_bias.items():
            if token < vocab:
                self._shift[token] = bias
        self._output: set[int] = set()

    def count(self, token: int) -> None:
        """One more token of output."""
        self._seen[token] = True
        if token not in self._output:
            self._output.add(token)
            self._shift[token] -= self._sampling.presence_penalty
        self._shift[token] -= self._sampling.frequency_penalty

    def apply(self, logits: mx.array) -> mx.array:
        """Penalised logits of this row, `[V]` float."""
        scores = logits.astype(mx.float32)
        factor = self._sampling.repetition_penalty
        if factor != 1:
            punished = mx.where(scores > 0, scores / factor, scores * factor)
            scores = mx.where(mx.array(self._seen), punished, scores)
        return scores + mx.array(self._shift)
