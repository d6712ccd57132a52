"""Public collections of JSON schemas: what of them is held, which instances pass, and what it costs.

    git clone --depth 1 https://github.com/json-schema-org/JSON-Schema-Test-Suite
    git clone --depth 1 https://github.com/guidance-ai/jsonschemabench
    python -m benchmarks.json_schemas --collection JSON-Schema-Test-Suite --collection jsonschemabench

Every schema goes the way of a request: it is judged, relaxed where llguidance cannot express it, and compiled for the
embedded model's vocabulary. Its instances are then fed to the grammar byte by byte, as a model could write them: see
benchmarks/_spelling.py. `--show` prints valid instances that are refused, and invalid ones that pass although nothing
of their schema is reported as relaxed.
"""

import argparse
import json
import random
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer

from benchmarks._report import report
from benchmarks._spelling import can_write
from vivace.assets import embedded_model_path
from vivace.chat.schemas import fault, hold
from vivace.engine.matcher import GrammarCompiler
from vivace.protocol import Grammar

VOCABULARY = 8192
SUITES = {  # folder of the official suite → the draft that its schemas are of
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft7": "http://json-schema.org/draft-07/schema#",
    "draft6": "http://json-schema.org/draft-06/schema#",
    "draft4": "http://json-schema.org/draft-04/schema#",
}
ONLY_ANNOTATED = "format.json"  # says that formats are not enforced; we enforce those that we know


@dataclass(frozen=True)
class Case:
    """A schema with instances, each with whether it is valid."""

    group: str
    name: str
    schema: Any
    instances: list[tuple[Any, bool]]


@dataclass
class Tally:
    """What was found in one group of schemas."""

    schemas: int = 0
    invalid_schemas: int = 0
    relaxed: int = 0
    valid: int = 0
    accepted: int = 0
    invalid: int = 0
    refused: int = 0
    unrelaxed_invalid: int = 0
    unrelaxed_refused: int = 0
    written_ms: list[float] = field(default_factory=list)
    compiled_ms: list[float] = field(default_factory=list)

    def row(self, group: str) -> dict[str, Any]:
        return {
            "collection": group,
            "schemas": self.schemas,
            "no schema": self.invalid_schemas,
            "relaxed": self.relaxed,
            "valid instances": self.valid,
            "accepted, %": _share(self.accepted, self.valid),
            "invalid instances": self.invalid,
            "refused, %": _share(self.refused, self.invalid),
            "refused where nothing is relaxed, %": _share(self.unrelaxed_refused, self.unrelaxed_invalid),
            "checked and written p50, ms": _quantile(self.written_ms, 50),
            "checked and written p95, ms": _quantile(self.written_ms, 95),
            "compiled and masked p50, ms": _quantile(self.compiled_ms, 50),
            "compiled and masked p95, ms": _quantile(self.compiled_ms, 95),
        }


def cases(folder: Path) -> Iterator[Case]:
    if (folder / "tests" / "draft2020-12").is_dir():
        yield from _suite(folder / "tests")
    else:
        yield from _mask_bench(folder / "maskbench" / "data")


def _suite(folder: Path) -> Iterator[Case]:
    for name, draft in SUITES.items():
        for path in sorted((folder / name).glob("*.json")):
            if path.name != ONLY_ANNOTATED:
                yield from _suite_file(path, f"test suite, {name}", draft)
    for path in sorted((folder / "draft2020-12" / "optional" / "format").glob("*.json")):
        yield from _suite_file(path, "test suite, formats", SUITES["draft2020-12"])


def _suite_file(path: Path, group: str, draft: str) -> Iterator[Case]:
    for each in json.loads(path.read_text()):
        schema = {"$schema": draft} | each["schema"] if isinstance(each["schema"], dict) else each["schema"]
        instances = [(test["data"], test["valid"]) for test in each["tests"]]
        yield Case(group, f"{path.stem}: {each['description']}", schema, instances)


def _mask_bench(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.json")):
        each = json.loads(path.read_text())
        instances = [(test["data"], test["valid"]) for test in each["tests"]]
        group = path.stem.split("---")[0].split("_")[0]
        yield Case(f"maskbench, {group}", path.stem, each["schema"], instances)


def measure(case: Case, tally: Tally, compiler: GrammarCompiler, byte: LLTokenizer, show: bool) -> None:
    tally.schemas += 1
    started = time.perf_counter()
    if not isinstance(case.schema, bool) and fault(case.schema) is not None:
        tally.invalid_schemas += 1
        return
    held = hold(case.schema)
    tally.written_ms.append(1e3 * (time.perf_counter() - started))
    tally.relaxed += bool(held.losses)
    source = f"%llguidance {{}}\nstart: %json {held.source}\n"
    tally.compiled_ms.append(_compile(compiler, source))
    matcher = LLMatcher(byte, source, log_level=0)
    if matcher.is_error():
        raise RuntimeError(f"{case.name}: {matcher.get_error()}")
    for instance, valid in case.instances:
        passes = can_write(instance, matcher.deep_copy(), byte, case.schema)
        _judge(passes, valid, bool(held.losses), tally)
        if show:
            _show(case, instance, valid, passes, held.losses)


def _judge(passes: bool, valid: bool, relaxed: bool, tally: Tally) -> None:
    if valid:
        tally.valid += 1
        tally.accepted += passes
        return
    tally.invalid += 1
    tally.refused += not passes
    if not relaxed:
        tally.unrelaxed_invalid += 1
        tally.unrelaxed_refused += not passes


def _show(case: Case, instance: Any, valid: bool, passes: bool, losses: Iterable[Any]) -> None:
    if passes != valid and (valid or not losses):
        verdict = "valid but refused" if valid else "invalid but accepted"
        print(f"{verdict}: {case.group}: {case.name}: {json.dumps(instance)[:160]}")


def _compile(compiler: GrammarCompiler, source: str) -> float:
    """Milliseconds to the first mask, as the engine gets there."""
    started = time.perf_counter()
    matcher = compiler.submit(Grammar(source)).result()
    matcher.fill(np.zeros(-(-VOCABULARY // 32), dtype=np.int32))
    return 1e3 * (time.perf_counter() - started)


def _share(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _quantile(values: list[float], percent: int) -> float | None:
    if len(values) < 2:
        return None
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 2)


def run(options: argparse.Namespace) -> None:
    byte = LLTokenizer("byte")
    compiler = GrammarCompiler(embedded_model_path(), VOCABULARY)
    _compile(compiler, "%llguidance {}\nstart: %json {}\n")  # reads the tokenizer
    tallies: dict[str, Tally] = defaultdict(Tally)
    chosen = [case for folder in options.collection for case in cases(folder) if options.only in case.name]
    if options.sample:
        chosen = random.Random(0).sample(chosen, min(options.sample, len(chosen)))
    for case in chosen:
        measure(case, tallies[case.group], compiler, byte, options.show)
    rows = [tally.row(group) for group, tally in sorted(tallies.items(), reverse=True)]
    names = " ".join(f"--collection {folder.name}" for folder in options.collection)
    sample = f" --sample {options.sample}" if options.sample else ""
    if not options.only:
        report("json_schemas", rows, command=f"python -m benchmarks.json_schemas {names}{sample}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collection", type=Path, action="append", required=True)
    parser.add_argument("--sample", type=int, help="so many schemas, drawn at random")
    parser.add_argument("--only", default="", help="schemas whose name has this in it")
    parser.add_argument("--show", action="store_true", help="print what is judged wrongly as well")
    options = parser.parse_args()
    sys.setrecursionlimit(100_000)
    threading.stack_size(512 * 2**20)
    worker = threading.Thread(target=run, args=(options,))
    worker.start()
    worker.join()


if __name__ == "__main__":
    main()
