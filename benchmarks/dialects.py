"""What reading a long argument costs in every family: 32 KB and 1 MB in pieces of four characters.

A text in every family; where texts are written without quotes, an object too, which is typed by the schema alone.

The ratio says whether the cost is linear: of times as of sizes it is 32.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks._report import print_last, report
from tests.chat.dialects.families import FAMILIES, Call, dumped, parser, pieces, plain
from vivace.chat.dialects.base import Piece
from vivace.chat.dialects.parse import fold

SIZES = {"32 KB": 32_768, "1 MB": 1_048_576}
LIMIT_S = 0.15  # for the smaller one, see docs/benchmarks.md
_PIECE = 4  # characters, about as many as a token has
_THROUGH = {"harmony": "harmony"}  # calls that come through the reasoning dialect in the engine
_CODE = """def greet(name: str, *, loud: bool = False) -> str:
    '''Says "hello" to <b>name</b>; {braces}, [brackets], \\\\ and tabs\tare all here, é and 😀 too.'''
    return f"Hello, {name}!" if not loud else "HELLO & 'BYE'"  # a < b > c, x = {"k": [1, 2.5, None]}
"""


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.dialects", description=__doc__)
    options.add_argument("--repeat", type=int, default=3, help="runs of which the fastest counts (1 MB: one run)")
    options.add_argument("--table", action="store_true", help="print the last results as Markdown instead")
    chosen = options.parse_args(arguments)
    if chosen.table:
        print_last("dialects")
        return
    rows = [row(family, case, chosen.repeat) for family in FAMILIES for case in cases(family)]
    report("dialects", rows, command="python -m benchmarks.dialects", facts={"piece": f"{_PIECE} characters"})
    slow = [r["family"] for r in rows if max(r["32 KB, s"], r["32 KB as text, s"]) > LIMIT_S]
    print(f"slower than {LIMIT_S} s: {', '.join(slow) or 'none'}")


def text(size: int) -> Call:
    """A call with a text of `size` characters."""
    return "write_file", {"path": "greet.py", "content": (_CODE * (size // len(_CODE) + 1))[:size]}


def nested(size: int) -> Call:
    """A call with an object of about `size` characters."""
    line = {"number": 1, "code": _CODE[:60], "tags": ["a", None, True, 2.5]}
    return "typed", {"o": {"lines": [line] * (size // len(dumped(line)))}}


def cases(family: str) -> dict[str, Callable[[int], Call]]:
    has_objects = FAMILIES[family].raw and not FAMILIES[family].lossy
    return {family: text} | ({f"{family}, object": nested} if has_objects else {})


def row(family: str, case: str, repeat: int) -> dict[str, Any]:
    """Processor time with the markers as tokens, as in the engine, and as letters, as in `vivace parse`."""
    found: dict[str, Any] = {"family": case}
    call = cases(family)[case]
    for how, as_tokens in (("", True), (" as text", False)):
        small = min(seconds(family, call(SIZES["32 KB"]), as_tokens) for _ in range(repeat))
        large = seconds(family, call(SIZES["1 MB"]), as_tokens)
        found |= {f"32 KB{how}, s": small, f"1 MB{how}, s": large, f"ratio{how}": large / small}
    return found


def seconds(family: str, wanted: Call, as_tokens: bool) -> float:
    """For one call.

    Raises:
        AssertionError: the call is not the one that was written.
    """
    rendered = FAMILIES[family].render([wanted])
    fed = pieces(rendered, _PIECE) if as_tokens else pieces(plain(rendered), _PIECE)
    elapsed, events = timed(family, fed, as_tokens)
    (call,) = fold(events)["tool_calls"]
    assert (call["name"], json.loads(call["arguments"])) == wanted, f"{family} lost something"
    return elapsed


def timed(family: str, fed: Sequence[Piece], as_tokens: bool) -> tuple[float, list[Any]]:
    answer = parser(family, as_tokens=as_tokens, reasoning=_THROUGH.get(family))
    events: list[Any] = []
    gc.collect()
    began = time.process_time()  # what others do on this machine does not count
    for piece in fed:
        events += answer.feed(piece)
    events += answer.finish()
    return time.process_time() - began, events


if __name__ == "__main__":
    main()
