"""The step loop on its own, without HTTP: prefill and decode by number of streams, beside mlx-lm's generation.

    python -m benchmarks.engine --shape qwen3-100m
    python -m benchmarks.engine --shape qwen3-8b --bits 4 --dtype bfloat16 --streams 1 8 32

Baselines in the same run, on the same model object: `mlx_lm.stream_generate` for one stream, `BatchGenerator` for more.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.generate import BatchGenerator

from benchmarks._report import report
from benchmarks.shapes import SHAPES, random_model
from vivace.engine.admission import Limits
from vivace.engine.cache.codecs import codec
from vivace.engine.cache.layout import Layout
from vivace.engine.cache.prefix import Storage
from vivace.engine.device import Device, free_bytes, prepare
from vivace.engine.loop import Loop
from vivace.engine.matcher import GrammarCompiler
from vivace.engine.models import LoadedModel
from vivace.engine.probe import probe
from vivace.engine.seams import install_seams
from vivace.protocol import Finished, Generate, Sampling


class Engine:
    """A loop over a model, run until its requests are done."""

    def __init__(self, model: LoadedModel, chunk: int) -> None:
        runner, found = probe(model)
        limits = Limits(32768, 64, 256, chunk, 0.05, found.vocab_size, found.cost, free_bytes())
        compiler = GrammarCompiler(Path(), found.vocab_size)
        storage = Storage(Layout.of(found.caches, codec("plain")))
        self.loop = Loop(runner, compiler, limits, found.prefill_rate, self._emit, storage)
        self.unshared = found.unshared
        self._finished: list[Finished] = []

    def _emit(self, messages: Sequence[Any]) -> None:
        self._finished += [m for m in messages if isinstance(m, Finished)]

    def run(self, prompts: list[list[int]], tokens: int) -> dict[str, float]:
        """Seconds to the first token of the slowest stream, and decode tokens/s of all streams together."""
        self._finished = []
        for i, prompt in enumerate(prompts):
            self.loop.submit(Generate(str(i), prompt, tokens, Sampling(temperature=0)))
        while len(self._finished) < len(prompts):
            self.loop.turn()
        first = max(m.timings.queue_s + m.timings.prefill_s for m in self._finished)
        decode = max(m.timings.decode_s for m in self._finished)
        return {"first_s": first, "decode": len(prompts) * (tokens - 1) / decode}


def mlx_lm_run(model: Any, prompts: list[list[int]], tokens: int) -> dict[str, float]:
    """The same through mlx-lm's continuous batching."""
    generator = BatchGenerator(model, max_tokens=tokens, completion_batch_size=64, prefill_batch_size=64)
    generator.insert(prompts)
    started = time.perf_counter()
    first: dict[int, float] = {}
    count = 0
    while True:
        responses = generator.next_generated()
        if not responses:
            break
        now = time.perf_counter()
        for response in responses:
            first.setdefault(response.uid, now)
            count += 1
    last = time.perf_counter()
    begin = max(first.values())
    return {"first_s": begin - started, "decode": (count - len(first)) / max(last - min(first.values()), 1e-9)}


def measure(options: argparse.Namespace, device: Device) -> list[dict[str, Any]]:
    dtype = getattr(mx, options.dtype)
    model = random_model(options.shape, dtype, options.bits)
    install_seams(model, device.means)
    engine = Engine(LoadedModel(model, options.dtype, 0), options.chunk)
    vocab = engine.loop.limits.vocab_size
    rows = []
    for length in options.prompt:
        for streams in options.streams:
            prompts = [random.Random(i).choices(range(vocab), k=length) for i in range(streams)]
            runs: dict[str, list[dict[str, float]]] = {"vivace": [], "mlx-lm": []}
            engine.run(prompts, 4)  # kernels of these shapes are compiled at first use
            if not options.no_baseline:
                mlx_lm_run(model, prompts, 4)
            for _ in range(options.repeat):
                runs["vivace"].append(engine.run(prompts, options.tokens))
                if not options.no_baseline:
                    runs["mlx-lm"].append(mlx_lm_run(model, prompts, options.tokens))
            rows.append(_row(length, streams, runs))
            print(rows[-1], flush=True)
    return rows


def _row(length: int, streams: int, runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    row: dict[str, Any] = {"prompt": length, "streams": streams}
    for name, results in runs.items():
        for key in ("first_s", "decode"):
            values = [result[key] for result in results]
            row[f"{name} {key}"] = round(statistics.median(values), 4) if values else None
    if row["mlx-lm decode"]:
        row["decode ratio"] = round(row["vivace decode"] / row["mlx-lm decode"], 2)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="qwen3-100m")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--bits", type=int)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--prompt", type=int, nargs="+", default=[32])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--chunk", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-baseline", action="store_true")
    options = parser.parse_args()
    device = prepare(0)
    print(f"{device.name}, BLAS: {device.blas}")
    rows = measure(options, device)
    report(f"engine-{options.shape}", rows, command=f"python -m benchmarks.engine {' '.join(sys.argv[1:])}")


if __name__ == "__main__":
    main()
