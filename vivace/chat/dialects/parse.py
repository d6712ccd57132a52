"""A dialect run on plain text, for `vivace parse`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vivace.chat.conversation import Tool
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS
from vivace.chat.dialects.answer import AnswerParser
from vivace.chat.dialects.base import Piece
from vivace.chat.events import Event, ReasoningDelta, TextDelta, ToolCallArguments, ToolCallStarted
from vivace.errors import invalid

JSON = dict[str, Any]
_USUAL = "think"  # how most families write reasoning
# A family's other way, which is meant where this marker of its answers is in the text.
_OTHER = {
    **dict.fromkeys(("ernie45", "ernie4.5", "granite", "granite3"), ("<response>", "response")),
    **dict.fromkeys(("command", "cohere"), ("<|START_RESPONSE|>", "command_response")),
}
_TOKEN = re.compile("⟦(.*?)⟧", re.S)


def parse_text(
    dialect: str,
    tools: Sequence[JSON] | None,
    text: str,
    thinking_in_prompt: bool = False,
    split: int | Sequence[int] | None = None,
    reasoning: str | None = None,
    tokens: bool = False,
) -> JSON:
    """What a client would get for `text`.

    Args:
        dialect: a tool dialect, or a reasoning dialect alone.
        tools: OpenAI tool objects.
        thinking_in_prompt: the prompt has opened the reasoning.
        reasoning: the reasoning dialect; None: one that the family writes and whose markers are in the text, or else
            "think".
        split: None, a chunk size in characters, or a list of sizes (the last piece takes what is left). A token is
            never split.
        tokens: `⟦x⟧` in the text is one token, and the same letters without the brackets are none.

    Returns:
        {"content", "reasoning_content", "tool_calls": [{"name", "arguments"}]}; a text that is not there is None.

    Raises:
        VivaceError: an unknown dialect, a tool without a name, or a split that is no size.
    """
    offered = [tool_of(tool, i) for i, tool in enumerate(tools or ())]
    shown = frozenset(_TOKEN.findall(text)) if tokens else frozenset()
    parser = _parser(dialect, reasoning or _reasoning(dialect, text), offered, thinking_in_prompt, shown)
    events = [event for piece in _pieces(text, split, tokens) for event in parser.feed(piece)]
    return fold([*events, *parser.finish()])


def _parser(dialect: str, reasoning: str, tools: list[Tool], is_open: bool, tokens: frozenset[str]) -> AnswerParser:
    known = {**TOOL_DIALECTS, **REASONING_DIALECTS}
    for name in (dialect, reasoning):
        if name not in known:
            raise invalid(f"no dialect is called {name!r}; there are {', '.join(sorted(known))}", "dialect")
    if reasoning not in REASONING_DIALECTS:
        names = ", ".join(sorted(REASONING_DIALECTS))
        raise invalid(f"{reasoning!r} is no reasoning dialect; there are {names}", "reasoning")
    if dialect in TOOL_DIALECTS:
        return AnswerParser(TOOL_DIALECTS[dialect], REASONING_DIALECTS[reasoning], tools, is_open, tokens)
    return AnswerParser(TOOL_DIALECTS["none"], REASONING_DIALECTS[dialect], tools, is_open, tokens)


def _reasoning(dialect: str, text: str) -> str:
    name = TOOL_DIALECTS[dialect].name if dialect in TOOL_DIALECTS else dialect
    marker, other = _OTHER.get(dialect, ("", ""))
    if marker and marker in text:
        return other
    own = REASONING_DIALECTS.get(name)
    return name if own and any(marker in text for marker in own.markers) else _USUAL


def _pieces(text: str, split: int | Sequence[int] | None, tokens: bool) -> Iterator[Piece]:
    if not tokens:
        yield from map(Piece, chunks(text, split))
        return
    for i, part in enumerate(_TOKEN.split(text)):
        yield from [Piece(part, True)] if i % 2 else map(Piece, chunks(part, split))


def tool_of(tool: JSON, index: int = 0) -> Tool:
    """An OpenAI tool object, or the bare function inside it, as a `Tool`."""
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise invalid("a tool has no function with a name", f"tools.{index}.function.name")
    parameters = function.get("parameters")
    if not isinstance(parameters, dict):
        return Tool(function["name"], function.get("description"))
    return Tool(function["name"], function.get("description"), parameters, bool(function.get("strict")))


def chunks(text: str, split: int | Sequence[int] | None) -> Iterator[str]:
    """`text` in pieces; see `parse_text`."""
    at = 0
    for size in _sizes(split, len(text)):
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise invalid("a split is a positive number of characters, or a list of such numbers", "split")
        if at >= len(text):
            return
        yield text[at : at + size]
        at += size
    if at < len(text):
        yield text[at:]


def _sizes(split: int | Sequence[int] | None, length: int) -> Iterable[int]:
    if split is None:
        return ()
    if isinstance(split, int):
        return [split] * (length // split + 1 if split > 0 else 1)
    return split


def fold(events: Iterable[Event]) -> JSON:
    """A whole answer from its events."""
    content: list[str] = []
    thoughts: list[str] = []
    calls: dict[int, JSON] = {}
    for event in events:
        match event:
            case TextDelta(text=text):
                content.append(text)
            case ReasoningDelta(text=text):
                thoughts.append(text)
            case ToolCallStarted(index=index, name=name):
                calls[index] = {"name": name, "arguments": []}
            case ToolCallArguments(index=index, json_delta=delta):
                calls[index]["arguments"].append(delta)
    done = [{"name": c["name"], "arguments": "".join(c["arguments"])} for c in calls.values()]
    return {"content": "".join(content) or None, "reasoning_content": "".join(thoughts) or None, "tool_calls": done}
