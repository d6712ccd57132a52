"""`vivace parse`: what a client would get for a text that a model wrote."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from vivace.chat.dialects import TOOL_DIALECTS
from vivace.chat.dialects.parse import parse_text
from vivace.cli.errors import FAILED, USAGE, CliError
from vivace.errors import VivaceError

JSON = dict[str, Any]


class Case(msgspec.Struct):
    """One line of `--jsonl`. `split`: None, a chunk size in characters, or a list of chunk sizes."""

    dialect: str
    text: str
    tools: list[JSON] | None = None
    thinking_in_prompt: bool | None = None
    split: int | list[int] | None = None
    reasoning: str | None = None
    tokens: bool | None = None


class BadLineError(Exception):
    """A line that is no case; the message says why."""


def command(
    dialect: Annotated[
        str | None, typer.Option(help="how tool calls are written; an unknown name lists the known")
    ] = None,
    reasoning: Annotated[
        str | None, typer.Option(help="how reasoning is written; without it as the family does, or as most do")
    ] = None,
    tools: Annotated[Path | None, typer.Option(help="JSON file with a list of OpenAI tools")] = None,
    thinking_in_prompt: Annotated[bool, typer.Option(help="the prompt has opened the reasoning")] = False,
    split: Annotated[
        str | None, typer.Option(metavar="N", help="feed N characters at a time, or N,M,… in turn")
    ] = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="what stands in ⟦ ⟧ is one token of the vocabulary")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="one JSON case per line in, one result per line out")] = False,
) -> None:
    """Run a dialect on text from stdin.

    With --jsonl each line is {"dialect", "tools", "text", "thinking_in_prompt", "split"} and may have "reasoning" and
    "tokens"; the line that answers it is {"content", "reasoning_content", "tool_calls": [{"name", "arguments"}]}, or
    {"error"}, and the exit code is 1 if there was one of these.
    """
    if jsonl:
        raise typer.Exit(FAILED if answer_lines(sys.stdin.buffer) else 0)
    if dialect is None:
        raise CliError(f"--dialect is missing; there are {', '.join(sorted(TOOL_DIALECTS))}.", USAGE)
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    _show(run(Case(dialect, text, _tools(tools), thinking_in_prompt, _split(split), reasoning, tokens)))


def run(case: Case) -> JSON:
    """
    Raises:
        VivaceError: an unknown dialect, a bad tool, a bad split.
    """
    return parse_text(
        dialect=case.dialect,
        tools=case.tools or [],
        text=case.text,
        thinking_in_prompt=bool(case.thinking_in_prompt),
        split=case.split,
        reasoning=case.reasoning,
        tokens=bool(case.tokens),
    )


def answer_lines(lines: Iterable[bytes]) -> int:
    """Answer each line by a line on stdout, at once and in order; how many of them were bad."""
    bad = 0
    for line in lines:
        try:
            answer = run(case_of(line))
        except (BadLineError, VivaceError) as error:
            bad += 1
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    return bad


def case_of(line: bytes) -> Case:
    """The case on one line.

    `json` and not msgspec's own decoder reads it: lone surrogates, which a model's text may hold, have to survive.

    Raises:
        BadLineError: it is no JSON, or not of that form.
    """
    try:
        return msgspec.convert(json.loads(line), Case)
    except RecursionError:
        raise BadLineError("this JSON is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError and msgspec.ValidationError
        raise BadLineError(str(error)) from None


def _tools(path: Path | None) -> list[JSON] | None:
    if path is None:
        return None
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CliError(f"--tools: {path} cannot be read: {error}") from None
    if not isinstance(found, list):
        raise CliError(f"--tools: {path} holds no list of tools.")
    return found


def _split(text: str | None) -> int | list[int] | None:
    if text is None:
        return None
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        raise CliError(f"--split takes a number or numbers with commas between; not {text!r}.", USAGE) from None
    return sizes if "," in text else sizes[0]


def _show(answer: JSON) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for name in ("reasoning_content", "content"):
        if answer[name] is not None:
            console.print(Text.assemble((f"{name}: ", "bold"), (answer[name], "dim" if name != "content" else "")))
    for call in answer["tool_calls"]:
        console.print(Text.assemble(("call: ", "bold"), f"{call['name']}({call['arguments']})"))
