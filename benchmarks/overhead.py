"""What gateway and protocol add to a token at one stream: an HTTP client's time against that of the step loop alone.

    python -m benchmarks.overhead
    python -m benchmarks.overhead --models qwen3-100m --tokens 256 --repeat 31

Requests take turns on one server. Of a muted one the loop's tokens are dropped where it hands them over, so nothing
works beside it (`_muting_engine` says why one process has to do both). Columns, per token after the first: "alone" is
the loop's own clock in muted requests; "engine" is the same clock in the others, and "client" what their client sees;
"gateway" is the gateway's processor time for them. The overhead is the median over turns of client ÷ alone - 1; its
quartiles tell the noise.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._client import Answer, ServerFailedError, ask_all, request_body
from benchmarks._models import NAMES, checkpoint
from benchmarks._muting_engine import MUTED_SEED
from benchmarks._prompts import Prompts
from benchmarks._report import RESULTS, print_last, report
from benchmarks._servers import Running, serving

_NAME = "overhead"
_LIMIT_S = 120.0


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
        server = stack.enter_context(serving("muting", path))
        turns = [
            _turn(server, request_body(prompts.make(options.prompt), options.tokens, prompts.logit_bias), number)
            for number in range(options.repeat + 1)
        ]
    return row_of(model, options, turns[1:])  # the first one warms up


def _turn(server: Running, body: dict[str, Any], number: int) -> Turn:
    """Whoever comes second may find the machine in another state, so the order changes from turn to turn."""
    muted = _loop_s(_ask(server, body | {"seed": MUTED_SEED})) if number % 2 else None
    before_s = server.front_cpu_s
    answer = _ask(server, body)
    gateway_s = (server.front_cpu_s - before_s) / answer.tokens
    if muted is None:
        muted = _loop_s(_ask(server, body | {"seed": MUTED_SEED}))
    return Turn(muted, answer.token_s, _loop_s(answer), gateway_s)


def _ask(server: Running, body: dict[str, Any]) -> Answer:
    answer = asyncio.run(ask_all(server.url, [body], _LIMIT_S))[0]
    if answer.tokens != body["max_tokens"]:
        raise ServerFailedError(f"made {answer.tokens} of {body['max_tokens']} tokens")
    return answer


def _loop_s(answer: Answer) -> float:
    """Seconds per token after the first, by the step loop's clock."""
    if answer.engine is None:
        raise ServerFailedError("no timings in the answer")
    return answer.engine["decode_s"] / (answer.tokens - 1)


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
    parser.add_argument("--repeat", type=int, default=15, help="turns of each; at least 2")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--table", action="store_true", help="print the last results as Markdown; measure nothing")
    options = parser.parse_args()
    if options.table:
        print_last(_NAME, options.out)
        return
    rows = [measure(model, options) for model in options.models]
    report(_NAME, rows, command=f"python -m benchmarks.overhead {' '.join(sys.argv[1:])}".strip(), folder=options.out)


if __name__ == "__main__":
    main()
