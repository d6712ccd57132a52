"""What is known of a typical tool: its names, parameters, requests and results."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from training.sample import JSON

TEXT, INTEGER, NUMBER, SWITCH = ({"type": kind} for kind in ("string", "integer", "number", "boolean"))
Arguments = dict[str, Any]
Result = tuple[str, str]  # what the tool returns, what the assistant says then


def enum(*values: str) -> JSON:
    return {"type": "string", "enum": list(values)}


@dataclass(frozen=True)
class Parameter:
    """`names`: the name in `requests`, then aliases, between bars."""

    names: str
    schema: JSON
    description: str
    make: Callable[[Random], Any]
    required: bool

    @property
    def name(self) -> str:
        return self.names.split("|")[0]


@dataclass(frozen=True)
class TypicalTool:
    """In `requests` and `goal`, {name} is an argument, {name:yes|no} a choice by a boolean one, and [..] a part that
    appears only when its optional parameter is given. `names` are alternatives between bars."""

    family: str
    names: str
    description: str
    parameters: list[Parameter]
    requests: list[str]
    goal: str
    result: Callable[[Random, Arguments], Result]
