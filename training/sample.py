"""The conversation record that every generator returns, and the words to write one."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

JSON = dict[str, Any]
Check = tuple[Any, ...]  # what judge.py demands of the last message: (kind, what is wanted)


@dataclass
class Sample:
    """One conversation; its last message is the assistant's, and is what a model has to produce.

    `think`: whether it reasons first; None is drawn later. `plain`: it may get a system prompt, a style rule or
    unrelated tools added.
    """

    skill: str
    messages: list[JSON]
    tools: list[JSON] | None = None
    check: Check | None = None
    think: bool | None = None
    plain: bool = True
    tags: JSON = field(default_factory=dict)


Maker = Callable[[Random], Sample]


def user(text: str) -> JSON:
    return {"role": "user", "content": text}


def system(text: str) -> JSON:
    return {"role": "system", "content": text}


def bot(text: str, why: str = "", calls: list[JSON] | None = None) -> JSON:
    """The assistant's turn: `why` is its reasoning, `calls` are {"name", "arguments"}."""
    message: JSON = {"role": "assistant", "content": text, "reasoning_content": why}
    if calls:
        message["tool_calls"] = [{"type": "function", "function": call} for call in calls]
    return message


def tool(result: str) -> JSON:
    return {"role": "tool", "content": result}


def dumps(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
