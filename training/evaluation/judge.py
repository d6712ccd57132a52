"""Whether an answer means what the sample wants: the right value, JSON or call, whatever words stand around it."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from training.lexicon import TOPIC_LISTS
from training.sample import JSON, Sample

_CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.S)
_FUNCTION = re.compile(r"<function=([^>\n]+)>\n(.*)</function>", re.S)
_PARAMETER = re.compile(r"<parameter=([^>\n]+)>\n(.*?)\n</parameter>\n", re.S)


@dataclass(frozen=True)
class Reply:
    """An answer, taken apart. `calls` are {"name", "arguments"}; None if one was not well formed."""

    content: str
    calls: list[JSON] | None
    reasoned: bool


def parse_calls(text: str, tools: list[JSON] | None) -> list[JSON] | None:
    """The tool calls in a model's text; values that are no strings by their schema are read as JSON."""
    schemas = {tool["function"]["name"]: tool["function"]["parameters"]["properties"] for tool in tools or []}
    calls = []
    for block in _CALL.findall(text):
        function = _FUNCTION.fullmatch(block)
        if not function:
            return None
        name = function[1]
        values = _PARAMETER.findall(function[2])
        arguments = {key: _typed(value, schemas.get(name, {}).get(key, {})) for key, value in values}
        calls.append({"name": name, "arguments": arguments})
    return calls


def _typed(text: str, schema: JSON) -> Any:
    if schema.get("type", "string") != "string":
        with suppress(ValueError):
            return json.loads(text)
    return text


def parse_reply(sample: Sample, output: str) -> Reply:
    """A model's raw text, from behind the generation prompt, as a Reply."""
    reasoned = "</think>" in output
    text = (output.split("</think>", 1)[-1] if sample.think else output).strip()
    calls = parse_calls(text, sample.tools)
    content = text.split("<tool_call>")[0] if calls else text
    return Reply(content.strip(), calls, reasoned)


def _number(text: str, value: str) -> bool:
    return re.search(r"(?<![\w.])" + re.escape(value) + r"(?!\w)", text.split("answer is")[-1]) is not None


def _code(text: str, wanted: str) -> bool:
    """Equal but for the name of a loop variable."""

    def plain(source: str) -> str:
        loop = re.search(r"for (\w+) in", source)
        return re.sub(rf"\b{loop[1]}\b", "_loop", source) if loop else source

    return plain(text) == plain(wanted)


def _json(text: str, value: Any) -> bool:
    try:
        return bool(json.loads(text) == value)
    except ValueError:
        return False


def _long(text: str, words: int) -> bool:
    return len(text.split()) >= words and text[-1] in '.!?"'


def _list(text: str, topic: str, n: int) -> bool:
    items = [re.sub(r"^\d+\. ", "", item).strip() for item in re.split(r"\n|, and |, | and ", text)]
    return len(items) == len(set(items)) == n and all(item in TOPIC_LISTS[topic] for item in items)


_CHECKS: dict[str, Callable[..., bool]] = {
    "exact": lambda text, wanted: text == wanted.strip(),
    "contains": lambda text, values: all(value in text for value in values),
    "oneof": lambda text, answers: text in answers,
    "number": _number,
    "code": _code,
    "json": _json,
    "long": _long,
    "list": _list,
}


def judge(sample: Sample, reply: Reply) -> bool:
    """True when the reply meets the sample's check.

    Raises:
        ValueError: the sample has no check.
        KeyError: its check is of no known kind.
    """
    if sample.check is None:
        raise ValueError(f"a sample of {sample.skill} has no check")
    if sample.think and not reply.reasoned:
        return False
    kind, *wanted = sample.check
    if kind == "calls":
        return reply.content == "" and reply.calls == json.loads(json.dumps(wanted[0]))
    return not reply.calls and _CHECKS[kind](reply.content, *wanted)


def judge_text(sample: Sample, output: str) -> bool:
    """`judge` of a model's raw text."""
    return judge(sample, parse_reply(sample, output))
