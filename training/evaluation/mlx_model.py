"""The held-out conversations through mlx-lm itself: the reference for our own engine. Slow on a CPU."""

import mlx.core as mx
from mlx_lm import load, stream_generate
from tokenizers import Tokenizer

from training.encode import Encoder
from training.evaluation.judge import judge_text
from training.evaluation.report import Result
from training.evaluation.suites import held_out

MAX_TOKENS = 420


def evaluate_mlx(folder: str, suites: list[str], items: int) -> list[Result]:
    """Greedy answers, one at a time; float32 on a CPU, where it is faster."""
    model, tokenizer = load(folder)
    if mx.default_device() == mx.cpu:
        model.set_dtype(mx.float32)
    encoder = Encoder(Tokenizer.from_file(f"{folder}/tokenizer.json"))
    results = []
    for suite in suites:
        for sample in held_out(suite, items):
            prompt = encoder.prompt(sample)
            parts = stream_generate(model, tokenizer, prompt, max_tokens=MAX_TOKENS)
            text = "".join(part.text for part in parts)
            results.append(Result(suite, sample, len(prompt), text, judge_text(sample, text)))
    return results
