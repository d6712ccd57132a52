"""Short ways to say what the tests are about."""

from collections.abc import Iterable, Sequence
from typing import Any

from vivace.chat.conversation import Tool
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS
from vivace.chat.dialects.answer import AnswerParser
from vivace.chat.dialects.base import Piece
from vivace.chat.events import Event, ReasoningDelta, TextDelta, ToolCallArguments, ToolCallStarted


def tool(name: str, *required: str, **properties: Any) -> Tool:
    return Tool(name, None, {"type": "object", "properties": properties, "required": list(required)})


WEATHER = tool("get_weather", "city", city={"type": "string"}, days={"type": "integer"}, unit={"enum": ["C", "F"]})
WRITE = tool("write_file", "path", "content", path={"type": "string"}, content={"type": "string"})
TYPED = tool(
    "typed",
    s={"type": "string"},
    i={"type": "integer"},
    n={"type": "number"},
    b={"type": "boolean"},
    z={"type": "null"},
    o={"type": "object"},
    a={"type": "array"},
    maybe={"anyOf": [{"type": "string"}, {"type": "null"}]},
    either={"type": ["integer", "string"]},
    ref={"$ref": "#/$defs/Count"},
    anything={},
)
TYPED.parameters["$defs"] = {"Count": {"type": "integer"}}
TOOLS = (WEATHER, WRITE, TYPED)


def call(name: str, **values: str) -> str:
    """A call as the family writes it."""
    body = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in values.items())
    return f"<tool_call>\n<function={name}>\n{body}</function>\n</tool_call>"


def parser(tools: Sequence[Tool] = TOOLS, is_open: bool = False, tokens: Iterable[str] = ()) -> AnswerParser:
    return AnswerParser(
        TOOL_DIALECTS["qwen3_coder_xml"], REASONING_DIALECTS["think"], tools, is_open, frozenset(tokens)
    )


def run(pieces: Iterable[Piece | str], answer: AnswerParser) -> list[Event]:
    """All events, adjacent deltas joined and ids left out: what must not depend on the split."""
    events = [e for p in pieces for e in answer.feed(Piece(p) if isinstance(p, str) else p)]
    return coalesced([*events, *answer.finish()])


def coalesced(events: Iterable[Event]) -> list[Event]:
    joined: list[Event] = []
    for event in events:
        last = joined[-1] if joined else None
        match event, last:
            case TextDelta(), TextDelta():
                joined[-1] = TextDelta(last.text + event.text)
            case ReasoningDelta(), ReasoningDelta():
                joined[-1] = ReasoningDelta(last.text + event.text)
            case ToolCallArguments(), ToolCallArguments() if last.index == event.index:
                joined[-1] = ToolCallArguments(event.index, last.json_delta + event.json_delta)
            case ToolCallStarted(), _:
                joined.append(ToolCallStarted(event.index, "", event.name))
            case _:
                joined.append(event)
    return joined
