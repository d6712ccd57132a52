"""Train Vivace Mini. The run is bounded by wall time, and the learning rate follows the clock.

python -m training.train --seconds 540 --stage 1 --out OUT
python -m training.train --seconds 500 --stage 2 --resume DIR --out OUT --evaluate 12
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from training.batches import Batch, prepare
from training.checkpoint import load_parts, save_parts
from training.model import VivaceMini
from training.optim import optimisers
from training.packing import Loader

_SEEDS_A_STAGE = 100_000_000_000
_SAVE_EVERY_S = 150.0
_MEASURE_FROM = 10  # steps; the first ones compile


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train Vivace Mini for a given time.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--stage", type=int, default=1)
    parser.add_argument("--resume", help="folder of weights.0 .. weights.3")
    parser.add_argument("--out", default="out")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--length", type=int, default=8192)
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--muon-lr", type=float, default=0.02)
    parser.add_argument("--adam-lr", type=float, default=0.003)
    parser.add_argument("--decay", type=float, default=0.05)
    parser.add_argument("--prompt-share", type=float, default=0.05, help="of the prompt's tokens, trained in stage 1")
    parser.add_argument("--evaluate", type=int, default=0, help="held-out items per skill after training")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--max-steps", type=int, default=10**9)
    return parser.parse_args()


def learning_rate_factor(stage: int, step: int, progress: float) -> float:
    """A linear warm-up; stage 1 then keeps the rate, later stages lower it to 1 % with the share of time gone."""
    warm = min(1.0, (step + 1) / (150 if stage == 1 else 60))
    return warm * (1.0 if stage == 1 else max(0.01, 1 - progress))


class Trainer:
    """The model with its optimisers; `step` trains one batch."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._stage = options.stage
        torch.manual_seed(options.stage)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        self.model = VivaceMini()
        if options.resume:
            load_parts(self.model, options.resume)
        self.model.to(self.device)
        fused = self.device.type == "cuda"
        if fused and not options.no_compile:
            self.model.compile_blocks()
        self._optimisers = optimisers(self.model, options.muon_lr, options.adam_lr, options.decay, fused)
        self._rates = [[group["lr"] for group in o.param_groups] for o in self._optimisers]

    def set_learning_rate(self, factor: float) -> None:
        for optimiser, rates in zip(self._optimisers, self._rates, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    def step(self, batch: Batch) -> Tensor:
        """The loss before the step."""
        batch = batch.to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            hidden = self.model.hidden(batch.tokens, batch.pos, batch.spans)
            logits = self.model.logits(hidden.flatten(0, 1)[batch.chosen])
        loss = F.cross_entropy(logits.float(), batch.targets)
        loss.backward()
        for optimiser in self._optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return loss.detach()


class Progress:
    """What the run has done so far, printed now and then."""

    def __init__(self, begin: float) -> None:
        self.begin = begin
        self.steps = self.tokens = self.trained = 0
        self.log: list[dict[str, float]] = []
        self._losses: list[Tensor] = []
        self._measured_from = (begin, 0)

    def add(self, batch: Batch, loss: Tensor) -> None:
        self.steps += 1
        self.tokens += batch.tokens.numel()
        self.trained += len(batch.targets)
        self._losses.append(loss)
        if self.steps in (1, _MEASURE_FROM):
            loss.item()  # waits for the device
            self._measured_from = (time.time(), self.tokens)

    def report(self, wait_s: float, factor: float) -> None:
        if self.steps % 50 and self.steps not in (1, _MEASURE_FROM):
            return
        since, tokens = self._measured_from
        entry = {
            "step": self.steps,
            "seconds": round(time.time() - self.begin),
            "loss": round(torch.stack(self._losses).mean().item(), 4),
            "tokens": self.tokens,
            "trained": self.trained,
            "rate": round((self.tokens - tokens) / max(1e-6, time.time() - since)),
            "wait": round(wait_s, 1),
            "lr": round(factor, 3),
        }
        self._losses = []
        self.log.append(entry)
        print(json.dumps(entry), flush=True)


def train(options: argparse.Namespace, trainer: Trainer, loader: Loader, begin: float) -> Progress:
    """Steps until the time is over; the weights are saved on the way."""
    progress, saved = Progress(begin), time.time()
    while progress.steps < options.max_steps:
        gone = (time.time() - begin) / options.seconds
        if gone >= 1:
            break
        factor = learning_rate_factor(options.stage, progress.steps, gone)
        trainer.set_learning_rate(factor)
        batch = next(loader)
        progress.add(batch, trainer.step(batch))
        progress.report(loader.wait_s, factor)
        if time.time() - saved > _SAVE_EVERY_S:
            save_parts(trainer.model, options.out)
            saved = time.time()
    return progress


def _evaluate(model: VivaceMini, items: int, file: Path) -> None:
    from training.evaluation.report import print_report, summarise
    from training.evaluation.suites import SUITES
    from training.evaluation.torch_model import evaluate_torch
    from training.tokenizer import trained_tokenizer

    report = summarise(evaluate_torch(model, trained_tokenizer(), list(SUITES), items, seconds=90))
    print_report(report)
    file.write_text(json.dumps(report, ensure_ascii=False, indent=1))


def main() -> None:
    options = _arguments()
    begin = time.time()
    share = options.prompt_share if options.stage == 1 else 0.0
    loader = Loader(
        options.rows,
        lambda row: prepare(row, share),
        options.length,
        options.workers,
        seed=options.stage * _SEEDS_A_STAGE,
        prompt_weight=share,
    )
    trainer = Trainer(options)
    print("parameters", sum(p.numel() for p in trainer.model.parameters()), "device", trainer.device, flush=True)
    progress = train(options, trainer, loader, begin)
    loader.stop()
    save_parts(trainer.model, options.out)
    log = "\n".join(map(json.dumps, progress.log))
    Path(options.out, f"log{options.stage}.jsonl").write_text(log)
    print("trained", progress.steps, "steps", progress.tokens, "tokens,", round(time.time() - begin), "s", flush=True)
    if trainer.device.type == "cuda":
        print("peak GPU memory GiB", round(torch.cuda.max_memory_allocated() / 2**30, 1), flush=True)
    if options.evaluate:
        _evaluate(trainer.model, options.evaluate, Path(options.out, f"eval{options.stage}.json"))
    os._exit(0)  # the loader's thread waits for rows that no longer come


if __name__ == "__main__":
    main()
