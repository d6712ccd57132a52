"""Vivace's engine beside llama.cpp and stock mlx-lm on a CPU: prefill and decode, by context, streams and threads.

    python -m benchmarks.cpu --llama-python PYTHON     everything, about 25 minutes on 2 cores
    python -m benchmarks.cpu --quick                   a first impression, two minutes
    python -m benchmarks.cpu --table                   the figures of the last run as Markdown

PYTHON has llama-cpp-python and gguf; without it the one that runs this. docs/benchmarks.md says what is measured how.
"""

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks._beside import columns_of, median, rows_of, side_by_side
from benchmarks._client import ask_all, request_body
from benchmarks._models import EMBEDDED, name_and_bits, quantized_checkpoint, twins_of, vocabulary_size
from benchmarks._prompts import Prompts
from benchmarks._report import RESULTS, print_last, report
from benchmarks._rivals import Rival, RivalError, llama_cpp, llama_server, mlx_lm, vivace
from benchmarks._servers import serving
from benchmarks._turns import Case, Figures, Rules, take_turns

_NAME = "cpu"
MODELS = ("qwen3-0.6b-4bit", "qwen3-0.6b-8bit", "qwen3-1.7b-4bit", "qwen3-1.7b-8bit", "qwen3.5-0.8b-4bit", EMBEDDED)
MACHINES = ("quiet", "busy")
_QUICK = {"models": [MODELS[0]], "prompts": [32, 512], "streams": [1, 8], "machines": ["quiet"]}
_QUICK_RULES = {"threads": [os.cpu_count() or 1], "rounds": 1, "case_limit": 20.0, "no_stock": True}
_SERVER = f"{EMBEDDED}, whole server"


def cases_of(model: str, options: argparse.Namespace) -> list[Case]:
    """Those that differ from one stream on a quiet machine with all threads in one respect only, others with `full`.

    Several streams are tried with the shortest prompt. Fewer threads and a busy machine are tried with the first model,
    and not with the longest prompt of several.
    """
    product = itertools.product(options.threads, options.machines, sorted(options.prompts), sorted(options.streams))
    name, bits = name_and_bits(model)
    cases = [Case(name, bits, threads, machine == "busy", p, s) for threads, machine, p, s in product]
    return cases if options.full else [case for case in cases if _is_wanted(case, model, options)]


def _is_wanted(case: Case, model: str, options: argparse.Namespace) -> bool:
    base = Case(case.model, case.bits, max(options.threads), "quiet" not in options.machines, 0, min(options.streams))
    differing = [case.threads != base.threads, case.busy != base.busy, case.streams != base.streams]
    if sum(differing) > 1:
        return False
    if differing[2]:
        return case.prompt == min(options.prompts)
    longest = len(options.prompts) > 1 and case.prompt == max(options.prompts)
    return not any(differing) or (model == options.models[0] and not longest)


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rows, case by case."""
    rules = Rules(options.rounds, options.bursts, options.tokens, options.limit, options.case_limit)
    for model in options.models:
        path = quantized_checkpoint(model, options.cache)
        twins = [] if options.no_llama else twins_of(path, name_and_bits(model)[1], options.cache, options.llama_python)
        for threads, cases in itertools.groupby(cases_of(model, options), key=lambda case: case.threads):
            rivals = _start(path, twins, threads, options)
            gone: list[Figures] = []
            try:
                for case in cases:
                    print(case, file=sys.stderr, flush=True)
                    racing = [rival for rival in rivals if _takes_part(rival, case, options)]
                    load = round(os.getloadavg()[0], 1)
                    figures = take_turns(case, racing, vocabulary_size(path), rules)
                    yield from (row | {"load": load} for row in rows_of(case, [*figures, *gone]))
                    failed = {found.name: found.note for found in figures if found.note}
                    rivals = [rival for rival in rivals if rival.name not in failed]
                    gone += [Figures(name, note=f"not run ({note} before)") for name, note in failed.items()]
            finally:
                for rival in rivals:
                    rival.stop()
        if model == EMBEDDED and not options.no_server:
            yield from _through_the_server(path, options)


def _start(path: Path, twins: list[Path], threads: int, options: argparse.Namespace) -> list[Rival]:
    """All that load, one after the other."""
    starts = [lambda: vivace(path, threads)]
    for twin, flash in itertools.product(twins, (False, True)):
        starts.append(lambda twin=twin, flash=flash: llama_cpp(twin, threads, flash, options.llama_python))
        if options.llama_server:
            starts.append(lambda twin=twin, flash=flash: llama_server(twin, threads, flash, options.llama_server))
    if not options.no_stock:
        starts.append(lambda: mlx_lm(path))
    rivals = []
    for start in starts:
        rival = start()
        try:
            rival.wait()
        except RivalError as error:
            print(f"{rival.name} did not start: {error}", file=sys.stderr)
            rival.stop()
        else:
            rivals.append(rival)
    return rivals


def _takes_part(rival: Rival, case: Case, options: argparse.Namespace) -> bool:
    """mlx-lm where it has the best chances, llama-server where its slots are of use."""
    if rival.patience:
        base = (max(options.threads), min(options.streams), min(options.prompts))
        return not case.busy and (case.threads, case.streams, case.prompt) == base
    return "llama-server" not in rival.name or case.streams > 1


def _through_the_server(path: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One client: decode speed after a short prompt, and prefill until the first text of a long one."""
    prompts = Prompts(path)
    with serving("vivace", path) as server:
        for length, tokens in ((min(options.prompts), 128), (max(options.prompts), 2)):
            bodies = [request_body(prompts.make(length), tokens, prompts.logit_bias) for _ in range(options.rounds + 1)]
            answers = [asyncio.run(ask_all(server.url, [body], options.limit))[0] for body in bodies][1:]
            yield {
                **columns_of(Case(_SERVER, 8, max(options.threads), False, length, 1)),
                "rival": "vivace",
                "prefill_tokens_per_s": median([answer.prompt_tokens / answer.first_s for answer in answers]),
                "decode_tokens_per_s": median([1 / a.token_s for a in answers]) if tokens > 2 else None,
                "turns": len(answers),
            }


def _llama_version(python: str) -> str:
    """Of llama-cpp-python there; the program ends if it cannot be used."""
    code = "import gguf, llama_cpp; print(llama_cpp.__version__)"
    try:
        found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
        reason = found.stderr.strip().rsplit("\n", 1)[-1] if found.returncode else ""
    except OSError as error:
        reason = str(error)
    if reason:
        sys.exit(f"{python} has no llama.cpp ({reason}). See docs/benchmarks.md, or measure without: --no-llama")
    return found.stdout.strip()


def _parser() -> argparse.ArgumentParser:
    cores = os.cpu_count() or 1
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vivace" / "benchmarks"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--prompts", nargs="+", type=int, default=[32, 512, 4096], help="tokens")
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 4, 8])
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, cores}, reverse=True))
    parser.add_argument("--machines", nargs="+", choices=MACHINES, default=list(MACHINES))
    parser.add_argument("--full", action="store_true", help="all combinations of these; takes hours")
    parser.add_argument("--rounds", type=int, default=3, help="prefills of each rival in a case")
    parser.add_argument("--bursts", type=int, default=3, help="turns of decoding in a round")
    parser.add_argument("--tokens", type=int, default=16, help="that each stream decodes in a burst")
    parser.add_argument("--limit", type=float, default=180, help="seconds of one turn")
    parser.add_argument("--case-limit", type=float, default=30, help="seconds after which no further round begins")
    parser.add_argument("--llama-python", default=sys.executable, help="has llama-cpp-python and gguf")
    parser.add_argument("--llama-server", type=Path, help="the program, to be tried with several streams, too")
    parser.add_argument("--no-llama", action="store_true", help="without llama.cpp")
    parser.add_argument("--no-stock", action="store_true", help="without mlx-lm")
    parser.add_argument("--no-server", action="store_true", help="without the embedded model through the whole server")
    parser.add_argument("--cache", type=Path, default=cache, help="folder of the random models")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--quick", action="store_true", help="few cases, one round each")
    parser.add_argument("--table", action="store_true", help="print the last results as Markdown; measure nothing")
    return parser


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    if options.quick:
        parser.set_defaults(**_QUICK, **_QUICK_RULES)
        options = parser.parse_args()
    if options.table:
        print_last(_NAME, options.out, side_by_side)
        return
    facts = {} if options.no_llama else {"llama-cpp-python": _llama_version(options.llama_python)}
    rows = []
    for row in measure(options):
        rows.append(row)
        print(row, flush=True)
    command = f"python -m benchmarks.cpu {' '.join(sys.argv[1:])}".strip()
    report(_NAME, rows, command=command, folder=options.out, facts=facts)


if __name__ == "__main__":
    main()
