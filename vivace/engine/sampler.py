"""One sampling graph for rows with different parameters.

Every knob is a `[B]` array and every row has a random key of its own, made from its seed and position: what a row draws
does not depend on who else is in the batch. Order as in transformers and vLLM, for which model cards give their
settings: temperature, then top-k, then top-p over what top-k left, then min-p. Drawing is Gumbel-max (argmax of
log-probability plus Gumbel noise), so no cumulative sum over the vocabulary is inverted.
"""

from collections.abc import Callable
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import mlx.core as mx

from vivace.protocol import Sampling, TokenLogprob

GREEDY_BELOW = 1e-5  # temperatures by which float32 logits cannot be divided


@dataclass(frozen=True)
class Drawn:
    """The next token of every row, still on the device.

    `tokens` `[B]`; for rows that asked for log probabilities, `logprobs` holds (row, log probability of the drawn token
    `[]`, ids `[k]`, their log probabilities `[k]`), taken before temperature, penalties and grammar.
    """

    tokens: mx.array
    logprobs: tuple[tuple[int, mx.array, mx.array, mx.array], ...] = ()

    @property
    def arrays(self) -> list[mx.array]:
        return [self.tokens, *(array for _, *arrays in self.logprobs for array in arrays)]

    def token_ids(self) -> list[int]:
        """Waits for the device."""
        return cast("list[int]", self.tokens.tolist())

    def logprobs_of_rows(self) -> dict[int, TokenLogprob]:
        """Waits for the device. The alternatives are sorted, best first."""
        result = {}
        tokens = self.token_ids()
        for row, drawn, ids, values in self.logprobs:
            pairs = zip(cast("list[int]", ids.tolist()), cast("list[float]", values.tolist()), strict=True)
            top = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
            result[row] = TokenLogprob(tokens[row], cast("float", drawn.item()), top)
        return result


def draw(logits: mx.array, raw: mx.array, rows: Seq[Sampling], positions: Seq[int], ops: Any = None) -> Drawn:
    """Draw one token per row.

    `logits` `[B, V]` float, with penalties, biases and masks applied; `raw` the same as the model gave them;
    `positions[i]` is the place of the new token in row i's output. `ops`: the native kernels, which draw the same in
    one operation.
    """
    tokens = ops.argmax(logits) if ops else mx.argmax(logits, axis=-1)
    sampled = [i for i, row in enumerate(rows) if row.temperature >= GREEDY_BELOW]
    if sampled:
        part = logits if len(sampled) == len(rows) else logits[mx.array(sampled)]
        sample = partial(_native_sample, ops) if ops else _sample
        picks = sample(part, [rows[i] for i in sampled], [positions[i] for i in sampled])
        if len(sampled) == len(rows):
            tokens = picks
        else:
            tokens[mx.array(sampled)] = picks
    asked = [(i, row.top_logprobs) for i, row in enumerate(rows) if row.top_logprobs is not None]
    logsumexp = ops.logsumexp if ops else mx.logsumexp
    return Drawn(tokens, tuple(_logprobs(raw, tokens, i, count, logsumexp) for i, count in asked))


def _sample(logits: mx.array, rows: Seq[Sampling], positions: Seq[int]) -> mx.array:
    temperature = mx.array([row.temperature for row in rows])[:, None]
    scaled = logits.astype(mx.float32) / temperature
    if any(row.top_k or row.top_p < 1 or row.min_p > 0 for row in rows):
        scaled = mx.where(scaled >= _threshold(scaled, rows), scaled, -mx.inf)
    keys = _row_keys([row.seed for row in rows], list(positions))
    return mx.argmax(scaled + _gumbel(keys, scaled.shape[-1]), axis=-1)


def _native_sample(ops: Any, logits: mx.array, rows: Seq[Sampling], positions: Seq[int]) -> mx.array:
    knobs = [(row.temperature, row.top_k, row.top_p, row.min_p, row.seed & 0xFFFFFFFF) for row in rows]
    tokens: mx.array = ops.draw(logits, *(list(column) for column in zip(*knobs, strict=True)), list(positions))
    return tokens


def _row_keys(seeds: list[int], positions: list[int]) -> mx.array:
    """One random key per row `[B, 2]` uint32, from seed and position alone."""
    pairs = mx.array(
        [[seed & 0xFFFFFFFF, position] for seed, position in zip(seeds, positions, strict=True)], mx.uint32
    )
    return mx.vmap(lambda pair: mx.random.split(pair, 2)[0])(pairs)


def _gumbel(keys: mx.array, vocab: int) -> mx.array:
    return mx.vmap(lambda key: mx.random.gumbel((vocab,), key=key))(keys)


def _threshold(scaled: mx.array, rows: Seq[Sampling]) -> mx.array:
    """The smallest log weight that a token of each row may have, `[B, 1]`.

    Sorting is what costs here, so only as many of the largest values are sorted as the rows can need.
    """
    vocab = scaled.shape[-1]
    widest = max((row.top_k or vocab) if row.top_p < 1 or row.top_k else 1 for row in rows)
    best = _largest(scaled, min(widest, vocab))
    rank = mx.arange(best.shape[-1])[None]
    top_k = mx.array([min(row.top_k or vocab, vocab) for row in rows])[:, None]
    best = mx.where(rank < top_k, best, -mx.inf)
    weights = mx.softmax(best, axis=-1)
    before = mx.cumsum(weights, axis=-1) - weights  # mass of the better tokens
    top_p = mx.array([row.top_p if row.top_p < 1 else 2.0 for row in rows])[:, None]
    kept = ((before < top_p) & (rank < top_k)) | (rank == 0)
    limited = mx.array([bool(row.top_k or row.top_p < 1) for row in rows])[:, None]
    nucleus = mx.where(limited, mx.min(mx.where(kept, best, mx.inf), axis=-1, keepdims=True), -mx.inf)
    min_p = mx.log(mx.array([row.min_p for row in rows]))[:, None]
    return mx.maximum(nucleus, best[:, :1] + min_p)


def _largest(values: mx.array, count: int) -> mx.array:
    """The `count` largest of each row, in descending order."""
    if count == 1:
        return mx.max(values, axis=-1, keepdims=True)
    part = values if count == values.shape[-1] else mx.topk(values, count, axis=-1)
    return -mx.sort(-part, axis=-1)


def _logprobs(
    raw: mx.array, tokens: mx.array, row: int, count: int, logsumexp: Callable[[mx.array], mx.array]
) -> tuple[int, mx.array, mx.array, mx.array]:
    scores = raw[row].astype(mx.float32)
    scores = scores - logsumexp(scores)
    drawn = mx.take(scores, tokens[row])
    if count == 0:
        empty = mx.zeros((0,))
        return row, drawn, empty.astype(mx.uint32), empty
    ids = mx.argpartition(scores, kth=-count)[-count:]
    return row, drawn, ids, scores[ids]
