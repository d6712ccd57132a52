"""Drives a step loop by hand and collects what it sends."""

from collections.abc import Sequence
from pathlib import Path
from time import sleep
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache

from vivace.engine.admission import Limits
from vivace.engine.cache.codecs import codec
from vivace.engine.cache.disk import Disk
from vivace.engine.cache.layout import Layout
from vivace.engine.cache.prefix import Storage
from vivace.engine.cache.ssd import SsdTier
from vivace.engine.loop import Loop
from vivace.engine.matcher import GrammarCompiler
from vivace.engine.models import LoadedModel
from vivace.engine.probe import probe
from vivace.protocol import (
    CacheAnswer,
    CacheCleared,
    CacheExplanation,
    CacheStats,
    Failed,
    Finished,
    FromEngine,
    Generate,
    Progress,
    Sampling,
    TokenLogprob,
    Tokens,
)

GREEDY = Sampling(temperature=0)


class Harness:
    """`disk`: an SSD tier for its prefix cache; `kv_codec`: how stored blocks are encoded."""

    def __init__(
        self,
        model: LoadedModel,
        tokenizer: Path = Path("missing"),
        disk: SsdTier | None = None,
        kv_codec: str = "plain",
        **limits: Any,
    ):
        runner, self.probe = probe(model)
        values = {
            "context": 2048,
            "max_batch": 8,
            "max_waiting": 16,
            "chunk": 64,
            "budget_s": 1e-9,
            "vocab_size": self.probe.vocab_size,
            "cost": self.probe.cost,
            "cache_bytes": 1 << 30,
            "prefix_bytes": 1 << 30,
        }
        compiler = GrammarCompiler(tokenizer, self.probe.vocab_size)
        rate = limits.pop("prefill_rate", self.probe.prefill_rate)
        layout = Layout.of(self.probe.caches, codec(kv_codec))
        storage = Storage(layout, disk=None if disk is None else Disk(disk, layout))
        self.loop = Loop(runner, compiler, Limits(**(values | limits)), rate, self._collect, storage)
        self.tokens: dict[str, list[int]] = {}
        self.logprobs: dict[str, list[TokenLogprob]] = {}
        self.finished: dict[str, Finished] = {}
        self.failed: dict[str, Failed] = {}
        self.progress: dict[str, list[int]] = {}
        self.cache_answers: list[CacheAnswer | Failed] = []

    def _collect(self, messages: Sequence[FromEngine]) -> None:
        for message in messages:
            match message:
                case Tokens():
                    self.tokens.setdefault(message.id, []).extend(message.ids)
                    self.logprobs.setdefault(message.id, []).extend(message.logprobs or [])
                case Finished():
                    self.finished[message.id] = message
                case Failed(kind="not_found") | CacheStats() | CacheCleared() | CacheExplanation():
                    self.cache_answers.append(message)
                case Failed():
                    self.failed[message.id] = message
                case Progress():
                    self.progress.setdefault(message.id, []).append(message.done)

    def submit(self, id: str, prompt: list[int], tokens: int = 16, sampling: Sampling = GREEDY, **more: Any) -> None:
        self.loop.submit(Generate(id, prompt, tokens, sampling, **more))

    def turn(self) -> None:
        """Take the inbox and make one step."""
        self.loop.turn()

    def run(self, steps: int = 2000) -> None:
        """Until nothing is left to do."""
        self.turn()
        while self.loop.busy:
            assert (steps := steps - 1) > 0, "the loop does not come to an end"
            if not self.loop._has_work():
                sleep(0.001)  # a grammar is being compiled, or blocks are being read
            self.turn()

    def answer(self, prompt: list[int], tokens: int = 16, sampling: Sampling = GREEDY, **more: Any) -> list[int]:
        """The output of one request on its own."""
        self.submit("alone", prompt, tokens, sampling, **more)
        self.run()
        return self.tokens.pop("alone")


def reference(model: LoadedModel, prompt: list[int], tokens: int) -> tuple[list[int], mx.array]:
    """Greedy output of mlx-lm's own model and caches, whole prompt at once; and the last logits `[V]`."""
    caches = make_prompt_cache(model.model)
    logits = model.model(mx.array([prompt]), cache=caches)[0, -1]
    output = []
    for _ in range(tokens):
        output.append(int(mx.argmax(logits).item()))
        last, logits = logits, model.model(mx.array([output[-1:]]), cache=caches)[0, -1]
    return output, last
