"""What gateway and protocol add to a token at one stream: the whole server against the engine's step loop on its own.

    python -m benchmarks.overhead
    python -m benchmarks.overhead --models qwen3-100m --tokens 128 --repeat 11

Both hold the same model in a process of its own and take turns with the same prompts, one idle while the other works.
Columns, per token after the first: "alone" is the loop by its own clock, with its messages dropped; "client" is what an
HTTP client sees; "engine" is the loop by its own clock while it serves that client, which tells what the rest of the
server costs it from what comes after it; "gateway" is the gateway's processor time, which hardly depends on what else
the machine does. The overhead is the median over turns of client ÷ alone - 1; its quartiles tell the noise.
"""

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks._client import ask_all, request_body
from benchmarks._models import NAMES, checkpoint
from benchmarks._prompts import Prompts
from benchmarks._report import RESULTS, last, markdown, report
from benchmarks._servers import Running, serving
from vivace.protocol import Failed, Finished, Generate

_NAME = "overhead"
_LIMIT_S = 120.0


class EngineAlone:
    """A running `benchmarks._engine_alone`."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._in, self._out = process.stdin, process.stdout

    def token_s(self, request: Generate) -> float:
        """Seconds per token after the first."""
        assert self._in is not None
        assert self._out is not None
        self._in.write(msgspec.json.encode(request) + b"\n")
        self._in.flush()
        finished = msgspec.json.decode(self._out.readline(), type=Finished | Failed)
        if isinstance(finished, Failed):
            raise RuntimeError(finished.message)
        return finished.timings.decode_s / (finished.completion_tokens - 1)


@contextlib.contextmanager
def engine_alone(path: Path) -> Iterator[EngineAlone]:
    command = [sys.executable, "-m", "benchmarks._engine_alone", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield EngineAlone(process)
        finally:
            process.kill()


@dataclass(frozen=True)
class Turn:
    """Seconds per token of one prompt."""

    alone_s: float
    client_s: float
    engine_s: float
    gateway_s: float


def measure(model: str, options: argparse.Namespace) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        path = checkpoint(model, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        prompts = Prompts(path)
        server, engine = stack.enter_context(serving("vivace", path)), stack.enter_context(engine_alone(path))
        turns = [
            _turn(prompts, options, server, engine, alone_first=number % 2 == 0) for number in range(options.repeat + 1)
        ]
    return row_of(model, options, turns[1:])  # the first one warms up


def _turn(
    prompts: Prompts, options: argparse.Namespace, server: Running, engine: EngineAlone, *, alone_first: bool
) -> Turn:
    """Whoever comes second may find the machine in another state, so the order changes from turn to turn."""
    text = prompts.make(options.prompt)
    request, body = _request(prompts, text, options.tokens), request_body(text, options.tokens, prompts.logit_bias)
    alone_s = engine.token_s(request) if alone_first else None
    before_s = server.front_cpu_s
    answer = asyncio.run(ask_all(server.url, [body], _LIMIT_S))[0]
    gateway_s = server.front_cpu_s - before_s
    if alone_s is None:
        alone_s = engine.token_s(request)
    if answer.engine is None or answer.tokens != options.tokens:
        raise RuntimeError(f"no answer of {options.tokens} tokens with timings: {answer}")
    return Turn(alone_s, answer.token_s, answer.engine["decode_s"] / (answer.tokens - 1), gateway_s / answer.tokens)


def _request(prompts: Prompts, text: str, tokens: int) -> Generate:
    """The message that the gateway makes of the request over HTTP."""
    prepared = prompts.prepare(text)
    return Generate("0", prepared.token_ids, tokens, prepared.sampling(0), prepared.stop_ids)


def row_of(model: str, options: argparse.Namespace, turns: list[Turn]) -> dict[str, Any]:
    """Milliseconds per token, and per cent that a client waits longer than the loop alone would take."""
    percent = [100 * (turn.client_s / turn.alone_s - 1) for turn in turns]
    first, median, third = statistics.quantiles(percent, n=4, method="inclusive")
    return {
        "model": model,
        "prompt": options.prompt,
        "tokens": options.tokens,
        "turns": len(turns),
        "alone, ms": round(1e3 * statistics.median(turn.alone_s for turn in turns), 3),
        "engine, ms": round(1e3 * statistics.median(turn.engine_s for turn in turns), 3),
        "client, ms": round(1e3 * statistics.median(turn.client_s for turn in turns), 3),
        "gateway, ms": round(1e3 * statistics.mean(turn.gateway_s for turn in turns), 3),
        "overhead, %": round(median, 1),
        "quartiles, %": f"{first:.1f} to {third:.1f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=NAMES, default=["vivace-mini", "qwen3-100m"])
    parser.add_argument("--prompt", type=int, default=32, help="tokens, the template's included")
    parser.add_argument("--tokens", type=int, default=128, help="of each answer")
    parser.add_argument("--repeat", type=int, default=11, help="turns of each; at least 2")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--table", action="store_true", help="print the last results as Markdown; measure nothing")
    options = parser.parse_args()
    if options.table:
        results = last(_NAME, options.out)
        print(markdown(results["rows"], results))
        return
    rows = [measure(model, options) for model in options.models]
    report(_NAME, rows, command=f"python -m benchmarks.overhead {' '.join(sys.argv[1:])}".strip(), folder=options.out)


if __name__ == "__main__":
    main()
