"""Judge a model on held-out conversations, skill by skill.

    python -m training.evaluate server http://127.0.0.1:8000 --items 20   a running server, through its API
    python -m training.evaluate mlx FOLDER                                through mlx-lm
    python -m training.evaluate folder FOLDER                             exported or quantized, with torch in float32
    python -m training.evaluate torch WEIGHTS                             weights.0 .. weights.3 of train.py

`server` needs httpx only, `mlx` mlx-lm, the others torch.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path

from training.evaluation.report import Result, print_report, summarise
from training.evaluation.server import Server, evaluate_server
from training.evaluation.suites import SUITES


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Judge a model on held-out conversations, skill by skill.")
    parser.add_argument("way", choices=["server", "mlx", "folder", "torch"])
    parser.add_argument("target", help="the server's address, or a folder")
    parser.add_argument("--items", type=int, default=20, help="conversations of each suite")
    parser.add_argument("--suites", default=",".join(SUITES), help="names between commas")
    parser.add_argument("--without", default="", help="suites to leave out, such as retrieval_8k on a slow machine")
    parser.add_argument("--json", type=Path, help="write the report to this file")
    parser.add_argument("--failures", type=int, default=20, help="how many wrong answers to print")
    parser.add_argument("--model", help="name of the model at the server")
    parser.add_argument("--api-key", help="for a server that wants one")
    parser.add_argument("--concurrency", type=int, default=4, help="requests at a time to a server")
    return parser.parse_args()


def _suites(wanted: str, without: str) -> list[str]:
    left_out = set(without.split(","))
    suites = [suite for suite in wanted.split(",") if suite not in left_out]
    unknown = [suite for suite in suites if suite not in SUITES]
    if unknown:
        raise SystemExit(f"unknown suites: {', '.join(unknown)}; there are {', '.join(SUITES)}")
    return suites


def _evaluate_weights(way: str, folder: str, suites: list[str], items: int) -> list[Result]:
    from training.checkpoint import load_parts, read_folder
    from training.evaluation.torch_model import evaluate_torch
    from training.model import VivaceMini
    from training.tokenizer import trained_tokenizer

    model = VivaceMini()
    if way == "torch":
        load_parts(model, folder)
    else:
        model.load_state_dict(read_folder(folder))
    return evaluate_torch(model, trained_tokenizer(), suites, items, seconds=1200)


def evaluate(options: argparse.Namespace, suites: list[str]) -> list[Result]:
    """The results in the way that the command line names."""
    if options.way == "server":
        server = Server(options.target.rstrip("/"), options.model, options.api_key, options.concurrency)
        return asyncio.run(evaluate_server(server, suites, options.items))
    if options.way == "mlx":
        from training.evaluation.mlx_model import evaluate_mlx

        return evaluate_mlx(options.target, suites, options.items)
    return _evaluate_weights(options.way, options.target, suites, options.items)


def main() -> None:
    options = _arguments()
    begin = time.time()
    report = summarise(evaluate(options, _suites(options.suites, options.without)))
    report |= {"way": options.way, "items": options.items, "seconds": round(time.time() - begin, 1)}
    print_report(report)
    print(f"in {report['seconds']} s")
    if options.json:
        options.json.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    print(json.dumps(report["failures"][: options.failures], ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
