"""What grammars cost: a request with ten tools, from its conversation to its first mask.

    python -m benchmarks.grammar
    python -m benchmarks.grammar --tokenizer FOLDER     # with a tokenizer.json of another vocabulary

Medians over tool sets that no earlier request had, and over the same sets again. "written" is the gateway's part:
checking the schemas and writing the grammar (template and tokenizing included). "compiled" happens on a thread of the
engine while the prompt is prefilled; "first mask" is what the step loop then waits for. "mask" and "forced" are the
step loop's host work per token, along whole answers: means.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tokenizers import Tokenizer

from benchmarks._report import report
from vivace.assets import embedded_model_path
from vivace.chat.checkpoint import ChatModel
from vivace.chat.conversation import Conversation, Message, Options, ResponseFormat, Tool, ToolChoice
from vivace.engine.matcher import GrammarCompiler, Matcher
from vivace.protocol import Grammar

TOOLS = 10
STEPS = 120  # tokens of an answer
_TYPES = ("string", "integer", "boolean", "number")
_WORDS = ("path", "count", "recursive", "ratio", "title", "author")
Result = TypeVar("Result")


def tool(number: int, turn: str) -> Tool:
    """One like those of agents: scalars, an enumeration, a list of objects."""
    item = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "label": {"type": "string"}},
        "required": ["id"],
    }
    properties: dict[str, Any] = {
        f"{word}_{turn}_{number}": {"type": _TYPES[i % len(_TYPES)], "description": f"The {word} to work with."}
        for i, word in enumerate(_WORDS)
    }
    properties["mode"] = {"type": "string", "enum": ["fast", "slow", "auto"]}
    properties["items"] = {"type": "array", "items": item}
    required = list(properties)[:3]
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Tool(f"tool_{turn}_{number}", f"Does thing {number}.", schema)


def conversation(case: str, turn: int) -> Conversation:
    messages = (Message("user", "Tidy up the folder."),)
    tools = tuple(tool(number, f"{case[:3]}_{turn}") for number in range(TOOLS))
    if case == "response_format":
        return Conversation(messages, response_format=ResponseFormat("json", tools[0].parameters))
    return Conversation(messages, tools, ToolChoice("required" if case == "required" else "auto"))


def measure(case: str, chat: ChatModel, compiler: GrammarCompiler, vocab: int, turns: int) -> dict[str, Any]:
    taken: dict[str, list[float]] = {}
    per_token: dict[str, list[float]] = {"forced, µs": [], "mask, µs": []}
    words = np.zeros(-(-vocab // 32), dtype=np.int32)
    for turn in range(turns + 1):
        for when in ("first", "again"):
            prepared, written = _timed(chat.prepare, conversation(case, turn), Options(thinking=False))
            assert prepared.grammar is not None
            matcher, compiled = _timed(_compile, compiler, prepared.grammar)
            _, mask = _timed(matcher.fill, words)
            if turn:  # the first one reads the tokenizer
                taken.setdefault(f"{when}: written, ms", []).append(written)
                taken.setdefault(f"{when}: compiled, ms", []).append(compiled)
                taken.setdefault(f"{when}: first mask, ms", []).append(mask)
                taken.setdefault(f"{when}: compiled and masked, ms", []).append(compiled + mask)
        for forced, mask in _steps(matcher, words, vocab, turn):
            per_token["forced, µs"].append(1e3 * forced)
            per_token["mask, µs"].append(1e3 * mask)
    medians = {name: round(statistics.median(values), 3) for name, values in taken.items()}
    means = {name: round(statistics.mean(values), 1) for name, values in per_token.items()}
    return {"case": case, "vocabulary": vocab, **medians, **means}


def _compile(compiler: GrammarCompiler, grammar: Grammar) -> Matcher:
    return compiler.submit(grammar).result()


def _steps(matcher: Matcher, words: Any, vocab: int, seed: int) -> Iterator[tuple[float, float]]:
    """Milliseconds of looking for forced tokens and of the mask, along tokens drawn at random from the masks."""
    rng = np.random.default_rng(seed)
    for _ in range(STEPS):
        _, forced = _timed(matcher.forced)
        _, mask = _timed(matcher.fill, words)
        allowed = np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")[:vocab])
        matcher.consume(int(rng.choice(allowed)))
        if matcher.complete:
            return
        yield forced, mask


def _timed(function: Callable[..., Result], *args: Any) -> tuple[Result, float]:
    """The result, and milliseconds."""
    started = time.perf_counter()
    result = function(*args)
    return result, 1e3 * (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, default=embedded_model_path())
    parser.add_argument("--turns", type=int, default=40)
    options = parser.parse_args()
    chat = ChatModel.load(embedded_model_path())
    vocab = Tokenizer.from_file(str(options.tokenizer / "tokenizer.json")).get_vocab_size()
    compiler = GrammarCompiler(options.tokenizer, vocab)
    cases = ("required", "auto", "response_format")
    rows = [measure(case, chat, compiler, vocab, options.turns) for case in cases]
    name = "grammar" if options.tokenizer == embedded_model_path() else f"grammar-{vocab}"
    report(name, rows, command=f"python -m benchmarks.grammar {' '.join(sys.argv[1:])}".strip())


if __name__ == "__main__":
    main()
