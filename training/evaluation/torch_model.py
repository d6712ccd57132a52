"""The held-out conversations through our own torch model, in batches of similar length."""

import time
from typing import NamedTuple

import torch
from tokenizers import Tokenizer

from training.encode import Encoder
from training.evaluation.judge import judge_text
from training.evaluation.report import Result
from training.evaluation.suites import SUITES, held_out
from training.model import VivaceMini
from training.sample import Sample

MAX_TOKENS = 420
_MOST_LONG_ITEMS = 48  # of retrieval_8k, which takes as long as all others together
_PLACE = {suite: place for place, suite in enumerate(SUITES)}


class _Item(NamedTuple):
    suite: str
    sample: Sample
    prompt: list[int]


def _batch_size(longest: int) -> int:
    """Rows whose prompts of `longest` tokens fit into the memory of one H200 (or are quick enough on a CPU)."""
    if not torch.cuda.is_available():
        return 32
    return next(rows for bound, rows in ((500, 128), (1200, 64), (3000, 24), (10**9, 8)) if longest < bound)


def _items(encoder: Encoder, suites: list[str], items: int) -> list[_Item]:
    found = []
    for suite in suites:
        for sample in held_out(suite, min(items, _MOST_LONG_ITEMS) if suite == "retrieval_8k" else items):
            found.append(_Item(suite, sample, encoder.prompt(sample)))
    return sorted(found, key=lambda item: len(item.prompt))


def evaluate_torch(
    model: VivaceMini, tokenizer: Tokenizer, suites: list[str], items: int, seconds: float = 400.0
) -> list[Result]:
    """Greedy answers; conversations that `seconds` do not suffice for are left out, the longest first."""
    stops = {tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")}
    model.eval()
    waiting, results, begin = _items(Encoder(tokenizer), suites, items), [], time.time()
    while waiting:
        if time.time() - begin > seconds:
            print("evaluation time is over,", len(waiting), "items left out")
            break
        size = _batch_size(len(waiting[0].prompt))
        group, waiting = waiting[:size], waiting[size:]
        outputs = model.generate([item.prompt for item in group], stops, MAX_TOKENS)
        for item, ids in zip(group, outputs, strict=True):
            text = tokenizer.decode(ids, skip_special_tokens=False)
            correct = judge_text(item.sample, text)
            results.append(Result(item.suite, item.sample, len(item.prompt), text, correct))
    return sorted(results, key=lambda row: _PLACE[row.suite])
