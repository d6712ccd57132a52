"""The inner end of a rival's process: commands come as lines of JSON, figures go back the same way.

Needs nothing but Python, so that it runs in llama.cpp's, too.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Protocol


class Runner(Protocol):
    """Something that has a model in memory and runs streams of it side by side."""

    def begin(self, prompts: list[list[int]], tokens: int) -> float:
        """Seconds from here until every stream has its first token; at most `tokens` each will be wanted."""

    def decode(self, tokens: int) -> float:
        """Tokens/s of all streams together over the next so many of each, greedily; nothing computes afterwards."""

    def end(self) -> None:
        """Forget the streams."""


def serve(load: Callable[[], Runner]) -> None:
    """Load, then obey until stdin ends. What libraries print goes to stderr."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    runner = load()
    print(json.dumps("ready"), file=replies)
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        print(json.dumps(getattr(runner, verb)(*arguments)), file=replies)
