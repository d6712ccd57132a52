"""Writes docs/dialects.md from the declarations: `python -m tests.chat.dialects.page`."""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.chat.dialects.families import FAMILIES, REASONING
from vivace.chat import dialects
from vivace.chat.dialects import REASONING_DIALECTS, REASONING_SIGNS, TOOL_DIALECTS, TOOL_SIGNS
from vivace.chat.dialects.base import ToolDialect

PAGE = Path(__file__).parents[3] / "docs" / "dialects.md"
CALLS = [("get_weather", {"city": "Paris", "days": 3}), ("get_time", {})]
_SOURCE = re.compile(r"\n+Sources?: (.*)", re.S)

HEAD = """# Dialects

How model families write tool calls and reasoning. `python -m tests.chat.dialects.page` writes this page from the
declarations in `vivace/chat/dialects/`, one file per family, with the examples of its tests.

`auto` takes the first sign in the lists below that fits the checkpoint: what stands in its chat template, which tokens
its vocabulary adds, and its `model_type`. Names of directories and files never count. `vivace info MODEL` says what was
chosen and why; `--tool-dialect` and `--reasoning-dialect` take a name or an alias from here instead, and `none` leaves
everything as text. `vivace parse` runs a dialect on a text.

In the examples `⟦x⟧` is one token of the vocabulary in the family's published checkpoints. Each example is the two
calls `get_weather {"city": "Paris", "days": 3}` and `get_time {}` (where the model makes one at a time, the first).

## What holds for all

- **Incremental.** A name comes as soon as it is certain, arguments while they are generated: JSON that is valid when it
  is joined, whatever the model writes. Numbers and literals come when they are complete, and so does an object or a
  list where the schema would take a string as well. The cost is linear (see [benchmarks.md](benchmarks.md)).
- **Any split of the output gives the same**, down to single characters.
- **Nothing is lost.** Text around, between and after calls is content. What never became a call, a call of a tool that
  is not declared, and calls in code are text. At most 64 KB are held back undecided.
- **Values are exact.** What the schema calls a string is a string, whatever it looks like. Other types are read as JSON
  or as the literals that templates write (`True`, `None`, single quotes). Of several closers in a raw value, the last
  one before the next declared parameter, or the end of the call, counts.
- **Markers are tokens.** A marker that is one token of the vocabulary counts only as that token. Where only text is
  known, an opener of reasoning counts at the start of the answer and of a line outside code.
- **Mended** is what lost a closer, its wrapper or a bracket, where the declared tools leave one reading only.
- **Calls in reasoning** count if no call follows the reasoning.
- **Grammar.** A named or required call is written in the family's form, by the schema: declared properties, in their
  order, and others only where the schema says that there may be any. With `auto` the same holds for every call, strict
  or not, from the marker on that begins it; where no marker does, from its head on, at the start of the answer. A
  marker that is one token means a call. One that is ordinary text does so outside code, if what the family writes next
  follows; otherwise it may be mentioned. Strings without quotes hold `pattern`, `format`, `minLength` and `maxLength`
  like those in JSON; those that do cannot spell the tags that end them. What a schema says and a grammar cannot hold is
  relaxed and reported.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, "## Tool calls\n", *_tool_sections(), "## Reasoning\n", *_reasoning_sections()]
    return "\n".join(parts)


def _tool_sections() -> Iterator[str]:
    for module, found in _by_module([TOOL_DIALECTS[name] for name in FAMILIES]):
        about, source = _about(module)
        yield f"### {', '.join(d.name for d in found)}\n\n{about}\n"
        for dialect in found:
            yield _tool_example(dialect)
        yield f"Source: {source}\n"


def _tool_example(dialect: ToolDialect) -> str:
    calls = CALLS if getattr(dialect, "parallel", True) else CALLS[:1]
    example = FAMILIES[dialect.name].render(calls)
    aliases = f"; also {_coded(dialect.aliases)}" if dialect.aliases else ""
    return f"`{dialect.name}`{aliases}. {_signs(dialect.name, TOOL_SIGNS)}\n\n{_block(example)}"


def _reasoning_sections() -> Iterator[str]:
    for name in REASONING_DIALECTS:
        if name in REASONING:
            yield f"`{name}`. {_signs(name, REASONING_SIGNS)}\n\n{_block(REASONING[name]('Thoughts.') + 'Answer.')}"


def _by_module(found: Sequence[ToolDialect]) -> Iterator[tuple[Any, Sequence[ToolDialect]]]:
    """The modules of these dialects, each with those that it declares."""
    modules = [
        importlib.import_module(m.name) for m in pkgutil.iter_modules(dialects.__path__, f"{dialects.__name__}.")
    ]
    homes: dict[Any, list[ToolDialect]] = {}
    for dialect in found:
        home = next(m for m in modules if any(value is dialect for value in vars(m).values()))
        homes.setdefault(home, []).append(dialect)
    yield from homes.items()


def _about(module: Any) -> tuple[str, str]:
    text = module.__doc__.strip()
    about, source = _SOURCE.split(text)[:2]  # each declaration names where the form is from
    return about, " ".join(source.split())


def _signs(name: str, signs: Sequence[Any]) -> str:
    """How `auto` recognises it."""
    found = ["; ".join(_conditions(sign)) for sign in signs if sign.dialect == name]
    return f"`auto`: {', or '.join(found)}." if found else "`auto` never chooses it."


def _conditions(sign: Any) -> Iterator[str]:
    if sign.texts:
        yield f"the template contains {_coded(sign.texts, ' and ')}"
    if sign.absent:
        yield f"it does not contain {_coded(sign.absent, ' or ')}"
    if sign.tokens:
        yield f"the vocabulary adds {_coded(sign.tokens, ' and ')}"
    if sign.model_types:
        yield f"`model_type` begins with {_coded(sign.model_types, ' or ')}"


def _coded(texts: Sequence[str], between: str = ", ") -> str:
    return between.join(f"`` {text} ``" if "`" in text else f"`{text}`" for text in texts)


def _block(example: str) -> str:
    fence = "````" if "```" in example else "```"
    return f"{fence}text\n{example}\n{fence}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
