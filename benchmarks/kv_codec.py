"""KV codecs: bytes, time, and what their errors do to a model's logits and answers.

    python -m benchmarks.kv_codec
    python -m benchmarks.kv_codec --questions 20

Bytes are those of a block of 64 tokens, a token's share of it, against keys and values in bfloat16. Times are those of
one layer and 1,000 tokens; codecs take turns, medians; the ratio is to `plain`, which copies.

Questions: a prompt's whole blocks (all but its last 1 to 64 tokens) are prefilled, go through the codec, and the model
goes on from there as it does when a stored prefix is found. Recurrent states are not coded. The documents and questions
are those on which the embedded model is judged (training.evaluation), greedy. "KL" is that of the next token's
probabilities from those with `plain`, mean over all tokens of the tails, "same token" how often the likeliest is the
same. "fixed / broken" are the questions that only the codec, or only `plain`, answered right.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import mlx.core as mx
from tokenizers import Tokenizer

from benchmarks._coded_cache import BLOCK, Stored, continue_greedily, restore, store
from benchmarks._models import EMBEDDED, checkpoint, quantized_checkpoint, vocabulary_size
from benchmarks._report import print_last, report
from training.encode import Encoder
from training.evaluation.judge import judge_text
from training.evaluation.suites import held_out
from training.sample import Sample
from vivace.engine.cache.codecs import NAMES, codec
from vivace.engine.device import Device, prepare
from vivace.engine.models import LoadedModel, load

_SIZES, _QUALITY = "kv_codec", "kv_codec_quality"
_LAYERS = {"dense, 8 KV heads of 128": (8, 128), EMBEDDED: (2, 64)}  # KV heads, head dim
_SUITES = {"2k": "retrieval_2k", "8k": "retrieval_8k"}
_RANDOM = "qwen3-0.6b-4bit"  # head dim 128
_RANDOM_PROMPTS, _RANDOM_TOKENS = 4, 1000
_MAX_TOKENS = 420
_REPEAT = 21

Row = dict[str, Any]


def main() -> None:
    options = _arguments()
    if options.table:
        print_last(_SIZES)
        print()
        print_last(_QUALITY)
        return
    device = prepare(0)
    command = f"python -m benchmarks.kv_codec --questions {options.questions}"
    report(_SIZES, [row for layer in _LAYERS for row in measure_layer(layer)], command=command)
    rows = random_rows(device, options.cache, options.codecs)
    rows += [row for length in _SUITES for row in question_rows(device, length, options.questions, options.codecs)]
    report(_QUALITY, rows, command=command)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vivace" / "benchmarks"
    parser.add_argument("--questions", type=int, default=200, help="of each length, 1,000 at most")
    parser.add_argument("--codecs", nargs="+", default=list(NAMES), choices=NAMES, help="beside plain")
    parser.add_argument("--cache", type=Path, default=cache, help="folder of the random model")
    parser.add_argument("--table", action="store_true", help="print the last results as Markdown and stop")
    return parser.parse_args()


def measure_layer(layer: str) -> list[Row]:
    """Bytes and times of each codec for one layer's keys and values, stored from float16."""
    heads, depth = _LAYERS[layer]
    shape = (heads, BLOCK, depth)
    keys, values = (mx.random.normal((16, *shape), key=mx.random.key(i)).astype(mx.float16) for i in range(2))
    mx.eval(keys, values)
    taken = _times(keys, values)
    plain = taken["plain"]
    rows = []
    for name in NAMES:
        k, v = (codec(name).nbytes(*shapes, mx.bfloat16) / BLOCK for shapes in _alone(shape))
        full = 2 * heads * depth
        row: Row = {"layer": layer, "codec": name, "bytes a token": k + v}
        row |= {"K smaller, %": 100 * (1 - k / full), "V smaller, %": 100 * (1 - v / full)}
        row |= {"both smaller, %": 100 * (1 - (k + v) / (2 * full))}
        for way, ms, of_plain in zip(("encode", "decode"), taken[name], plain, strict=True):
            row |= {f"{way}, ms": ms, f"{way}, × plain": ms / of_plain}
        rows.append(row)
    return rows


def _alone(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Shapes of keys without values, and of values without keys."""
    none = (*shape[:-1], 0)
    return (shape, none), (none, shape)


def _times(keys: mx.array, values: mx.array) -> dict[str, list[float]]:
    """Codec → milliseconds to encode and to decode 1,000 tokens, medians; they take turns."""
    rows = {name: codec(name).encode(keys, values) for name in NAMES}
    mx.eval(list(rows.values()))
    shapes = keys.shape[1:], values.shape[1:]
    runs: dict[str, tuple[Callable[[], Any], ...]] = {
        name: (
            lambda name=name: codec(name).encode(keys, values),
            lambda name=name: codec(name).decode(rows[name], *shapes, keys.dtype),
        )
        for name in NAMES
    }
    taken: dict[str, tuple[list[float], ...]] = {name: ([], []) for name in NAMES}
    for turn in range(_REPEAT + 1):
        for name, way in ((name, way) for name in NAMES for way in (0, 1)):
            begin = time.perf_counter()
            mx.eval(runs[name][way]())
            if turn:  # the first one warms up
                taken[name][way].append(time.perf_counter() - begin)
    scale = 1e3 * 1000 / (keys.shape[0] * BLOCK)
    return {name: [scale * statistics.median(seconds) for seconds in both] for name, both in taken.items()}


class Tally:
    """What a codec did to logits and answers, against those with `plain`."""

    def __init__(self) -> None:
        self._kl: list[float] = []
        self._same: list[float] = []
        self._largest: list[float] = []
        self.right = self.fixed = self.broken = 0

    def logits(self, plain: mx.array, found: mx.array) -> None:
        """Of a prompt's tail, `[T, V]`."""
        reference, other = (x - mx.logsumexp(x, axis=-1, keepdims=True) for x in (plain, found))
        self._kl += (mx.exp(reference) * (reference - other)).sum(axis=-1).tolist()
        self._same += (plain.argmax(axis=-1) == found.argmax(axis=-1)).astype(mx.float32).tolist()
        self._largest.append(mx.abs(plain - found).max().item())

    def answer(self, right: bool, right_with_plain: bool) -> None:
        self.right += right
        self.fixed += right and not right_with_plain
        self.broken += right_with_plain and not right

    def row(self) -> Row:
        return {
            "logits differ by at most": max(self._largest),
            "typically": statistics.median(self._largest),
            "KL": statistics.fmean(self._kl),
            "same token, %": 100 * statistics.fmean(self._same),
        }


def random_rows(device: Device, folder: Path, names: list[str]) -> list[Row]:
    """Logit errors of a dense model with random weights and random prompts."""
    path = quantized_checkpoint(_RANDOM, folder)
    model = load(path, "auto", lambda _: None, device.means)
    draw, tallies = Random(0), {name: Tally() for name in names}
    for _ in range(_RANDOM_PROMPTS):
        prompt = [draw.randrange(vocabulary_size(path)) for _ in range(_RANDOM_TOKENS)]
        plain = None
        for name, logits, _ in _continued(model, store(model, prompt, device.chunk), names, 0, ()):
            plain = logits if plain is None else plain
            if name in tallies:
                tallies[name].logits(plain, logits)
    return [{"model": _RANDOM, "tokens": "1k", "codec": name} | tally.row() for name, tally in tallies.items()]


def question_rows(device: Device, length: str, questions: int, names: list[str]) -> list[Row]:
    """Answers of the embedded model about documents of a length."""
    path = checkpoint(EMBEDDED, Path())
    model = load(path, "auto", lambda _: None, device.means)
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    stops = {tokenizer.token_to_id(token) for token in ("<|im_end|>", "<|endoftext|>")}
    encoder, tallies = Encoder(tokenizer), {name: Tally() for name in names}
    for sample in held_out(_SUITES[length], questions):
        stored = store(model, encoder.prompt(sample), device.chunk)
        _ask(model, stored, sample, tokenizer, stops, tallies)
    return [
        {"model": EMBEDDED, "tokens": length, "codec": name}
        | tally.row()
        | {"right, %": 100 * tally.right / questions, "fixed / broken": f"{tally.fixed} / {tally.broken}"}
        for name, tally in tallies.items()
    ]


def _ask(
    model: LoadedModel,
    stored: Stored,
    sample: Sample,
    tokenizer: Tokenizer,
    stops: set[int],
    tallies: dict[str, Tally],
) -> None:
    plain: tuple[mx.array, bool] | None = None
    for name, logits, tokens in _continued(model, stored, list(tallies), _MAX_TOKENS, stops):
        right = judge_text(sample, tokenizer.decode(tokens, skip_special_tokens=False))
        plain = plain or (logits, right)
        if name in tallies:
            tallies[name].logits(plain[0], logits)
            tallies[name].answer(right, plain[1])


def _continued(
    model: LoadedModel, stored: Stored, names: list[str], most: int, stops: Any
) -> Iterator[tuple[str, mx.array, list[int]]]:
    """Codec, logits of the tail and tokens after it; `plain` first."""
    for name in dict.fromkeys(("plain", *names)):
        caches = restore(model, stored, codec(name))
        yield name, *continue_greedily(model, caches, stored.tail, most, stops)


if __name__ == "__main__":
    sys.exit(main())
