"""What writes calls as families do: renderers and how they are put together.

`⟦x⟧` is text that is one token in the family's vocabulary.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Call = tuple[str, dict[str, Any]]
Render = Callable[[Sequence[Call]], str]


@dataclass(frozen=True)
class Family:
    """
    Attributes:
        raw: values are written without quoting, so that a value which spells out the end of the call is its end.
        reasoning: the reasoning dialect without which calls cannot be read.
        prose: how text is written before calls, up to what the prompt would have written.
        lossy: what stands in untyped objects and lists cannot be told apart, and not every key can be written.
    """

    render: Render
    raw: bool = False
    reasoning: str = "none"
    prose: Callable[[str], str] = str
    lossy: bool = False


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def each(template: str, between: str = "") -> Render:
    """Calls rendered one by one; @NAME, @ARGS and @N (its index) stand in the template."""

    def render(calls: Sequence[Call]) -> str:
        parts = [_filled(template, name, dumped(arguments), n) for n, (name, arguments) in enumerate(calls)]
        return between.join(parts)

    return render


def _filled(template: str, name: str, arguments: str, n: int) -> str:
    return re.sub("@(NAME|ARGS|N)", lambda m: {"NAME": name, "ARGS": arguments, "N": str(n)}[m.group(1)], template)


def around(before: str, render: Render, after: str = "") -> Render:
    return lambda calls: before + render(calls) + after


def listed(before: str, after: str = "", arguments: str = "arguments") -> Render:
    return lambda calls: before + dumped([{"name": name, arguments: given} for name, given in calls]) + after


def separately(render: Render, between: str) -> Render:
    return lambda calls: between.join(render([call]) for call in calls)


def spread(template: str) -> Render:
    """A list with each call on a line of its own."""
    return around("[\n    ", each(template, ",\n    "), "\n]")
