"""How each family's model writes calls and reasoning: what the property tests run over.

`⟦x⟧` is text that is one token in the family's vocabulary. To add a family, add its renderer to FAMILIES.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chat.builders import TOOLS, tool
from vivace.chat.conversation import Tool
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS
from vivace.chat.dialects.answer import AnswerParser
from vivace.chat.dialects.base import Piece

Call = tuple[str, dict[str, Any]]
PING = tool("ping")
OFFERED = (*TOOLS, PING)
_TOKEN = re.compile("⟦(.*?)⟧", re.S)


@dataclass(frozen=True)
class Family:
    """
    Attributes:
        raw: values are written without quoting, so that a value which spells out the end of the call is its end.
        reasoning: the reasoning dialect without which calls cannot be read.
    """

    render: Callable[[Sequence[Call]], str]
    raw: bool = False
    reasoning: str = "none"


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def value(written: Any) -> str:
    """A value without quoting."""
    return written if isinstance(written, str) else dumped(written)


def each(template: str, between: str = "") -> Callable[[Sequence[Call]], str]:
    """Calls rendered one by one; @NAME, @ARGS and @N (its index) stand in the template."""

    def render(calls: Sequence[Call]) -> str:
        parts = [_filled(template, name, dumped(arguments), n) for n, (name, arguments) in enumerate(calls)]
        return between.join(parts)

    return render


def _filled(template: str, name: str, arguments: str, n: int) -> str:
    return re.sub("@(NAME|ARGS|N)", lambda m: {"NAME": name, "ARGS": arguments, "N": str(n)}[m.group(1)], template)


def around(before: str, render: Callable[[Sequence[Call]], str], after: str = "") -> Callable[[Sequence[Call]], str]:
    return lambda calls: before + render(calls) + after


def listed(before: str, after: str = "", arguments: str = "arguments") -> Callable[[Sequence[Call]], str]:
    return lambda calls: before + dumped([{"name": name, arguments: given} for name, given in calls]) + after


def tags(
    function: str, parameter: str, ends: tuple[str, str], newline: str = "\n", after: str = "\n"
) -> Callable[[Sequence[Call]], str]:
    """Tagged parameters; NAME and KEY stand in the openers."""

    def one(name: str, arguments: Mapping[str, Any]) -> str:
        body = "".join(
            parameter.replace("KEY", key) + newline + value(v) + newline + ends[1] + after
            for key, v in arguments.items()
        )
        return function.replace("NAME", name) + after + body + ends[0]

    return lambda calls: after.join(one(*call) for call in calls)


def separately(render: Callable[[Sequence[Call]], str], between: str) -> Callable[[Sequence[Call]], str]:
    return lambda calls: between.join(render([call]) for call in calls)


_OPEN, _CLOSE = "⟦<tool_call>⟧", "⟦</tool_call>⟧"
_QWEN_TAGS = tags("<function=NAME>", "<parameter=KEY>", ("</function>", "</parameter>"))
_DEEPSEEK_FENCED = "⟦<｜tool▁call▁begin｜>⟧function⟦<｜tool▁sep｜>⟧@NAME\n```json\n@ARGS\n```⟦<｜tool▁call▁end｜>⟧"
_DEEPSEEK_PLAIN = "⟦<｜tool▁call▁begin｜>⟧@NAME⟦<｜tool▁sep｜>⟧@ARGS⟦<｜tool▁call▁end｜>⟧"


def _deepseek(template: str, between: str = "") -> Callable[[Sequence[Call]], str]:
    return around("⟦<｜tool▁calls▁begin｜>⟧", each(template, between), "⟦<｜tool▁calls▁end｜>⟧")


_HARMONY = "⟦<|channel|>⟧commentary to=functions.@NAME ⟦<|constrain|>⟧json⟦<|message|>⟧@ARGS⟦<|call|>⟧"
_KIMI = "⟦<|tool_call_begin|>⟧functions.@NAME:@N⟦<|tool_call_argument_begin|>⟧@ARGS⟦<|tool_call_end|>⟧"


def _glm(calls: Sequence[Call]) -> str:
    parts = [
        _OPEN + name + "".join(f"\n<arg_key>{k}</arg_key>\n<arg_value>{value(v)}</arg_value>" for k, v in given.items())
        for name, given in calls
    ]
    return "\n".join(f"{part}\n{_CLOSE}" for part in parts)


def _pythonic(calls: Sequence[Call]) -> str:
    def one(name: str, given: Mapping[str, Any]) -> str:
        return f"{name}({', '.join(f'{k}={v!r}' for k, v in given.items())})"

    return f"[{', '.join(one(*call) for call in calls)}]"


def gemma_value(written: Any, quote: str) -> str:
    match written:
        case str():
            return quote + written + quote
        case dict():
            inside = ",".join(
                f"{k if k.isidentifier() else quote + k + quote}:{gemma_value(v, quote)}" for k, v in written.items()
            )
            return "{" + inside + "}"
        case list():
            return "[" + ",".join(gemma_value(v, quote) for v in written) + "]"
    return dumped(written)


def _gemma(before: str, after: str, quote: str) -> Callable[[Sequence[Call]], str]:
    return lambda calls: "".join(f"{before}call:{name}{gemma_value(given, quote)}{after}" for name, given in calls)


FAMILIES: dict[str, Family] = {
    "hermes": Family(each(f'{_OPEN}\n{{"name": "@NAME", "arguments": @ARGS}}\n{_CLOSE}', "\n")),
    "qwen3_coder_xml": Family(
        separately(around(f"{_OPEN}\n", _QWEN_TAGS, f"\n{_CLOSE}"), "\n"),
        raw=True,
    ),
    "mistral": Family(each("⟦[TOOL_CALLS]⟧@NAME⟦[ARGS]⟧@ARGS")),
    "mistral_v11": Family(each("⟦[TOOL_CALLS]⟧@NAME⟦[CALL_ID]⟧abcdefgh@N⟦[ARGS]⟧@ARGS")),
    "mistral_v3": Family(listed("⟦[TOOL_CALLS]⟧")),
    "deepseek_v3": Family(_deepseek(_DEEPSEEK_FENCED, "\n")),
    "deepseek_v31": Family(_deepseek(_DEEPSEEK_PLAIN)),
    "kimi_k2": Family(around("⟦<|tool_calls_section_begin|>⟧", each(_KIMI), "⟦<|tool_calls_section_end|>⟧")),
    "glm47": Family(_glm, raw=True),
    "minimax_m2": Family(
        around(
            "⟦<minimax:tool_call>⟧\n",
            tags('<invoke name="NAME">', '<parameter name="KEY">', ("</invoke>", "</parameter>"), newline=""),
            "\n⟦</minimax:tool_call>⟧",
        ),
        raw=True,
    ),
    "harmony": Family(each(_HARMONY)),
    "granite": Family(listed("⟦<|tool_call|>⟧")),
    "llama3": Family(each('{"name": "@NAME", "parameters": @ARGS}', "; ")),
    "llama4": Family(_pythonic),
    "lfm2": Family(around("⟦<|tool_call_start|>⟧", _pythonic, "⟦<|tool_call_end|>⟧")),
    "gemma4": Family(_gemma("⟦<|tool_call>⟧", "⟦<tool_call|>⟧", '⟦<|"|>⟧'), raw=True),
    "functiongemma": Family(_gemma("⟦<start_function_call>⟧", "⟦<end_function_call>⟧", "⟦<escape>⟧"), raw=True),
}

# As many newlines as the family puts after its reasoning belong to the marker.
REASONING: dict[str, Callable[[str], str]] = {
    "think": lambda text: f"⟦<think>⟧\n{text}\n⟦</think>⟧\n\n",
    "mistral": lambda text: f"⟦[THINK]⟧{text}⟦[/THINK]⟧",
    "gemma4": lambda text: f"⟦<|channel>⟧thought\n{text}\n⟦<channel|>⟧",
    "seed_oss": lambda text: f"⟦<seed:think>⟧{text}⟦</seed:think>⟧",
    "hunyuan": lambda text: f"⟦<think>⟧\n{text}\n⟦</think>⟧\n⟦<answer>⟧\n",
    "hy_v3": lambda text: f"⟦<think:opensource>⟧{text}⟦</think:opensource>⟧",
    "granite": lambda text: f"Here is my thought process:\n{text}\nHere is my response:\n",
    "harmony": lambda text: (
        f"⟦<|channel|>⟧analysis⟦<|message|>⟧{text}⟦<|end|>⟧⟦<|start|>⟧assistant⟦<|channel|>⟧final⟦<|message|>⟧"
    ),
    "command": lambda text: f"⟦<|START_THINKING|>⟧{text}⟦<|END_THINKING|>⟧⟦<|START_TEXT|>⟧",
}


def plain(rendered: str) -> str:
    """The text alone."""
    return _TOKEN.sub(r"\1", rendered)


def pieces(rendered: str, size: int = 1_000_000) -> list[Piece]:
    """Tokens as markers, text between them in pieces of `size`."""
    return list(_pieces(rendered, size))


def _pieces(rendered: str, size: int) -> Iterator[Piece]:
    for i, part in enumerate(_TOKEN.split(rendered)):
        if i % 2:
            yield Piece(part, True)
        else:
            yield from (Piece(part[at : at + size]) for at in range(0, len(part), size))


def parser(
    family: str,
    tools: Sequence[Tool] = OFFERED,
    as_tokens: bool = False,
    reasoning: str | None = None,
    is_open: bool = False,
    tokens: frozenset[str] = frozenset(),
) -> AnswerParser:
    """`as_tokens`: what the renderers show as tokens are tokens of the vocabulary, besides `tokens`."""
    reasoning = reasoning or FAMILIES[family].reasoning
    tokens |= tokens_of(family, reasoning) if as_tokens else frozenset()
    return AnswerParser(TOOL_DIALECTS[family], REASONING_DIALECTS[reasoning], tools, is_open, tokens)


def tokens_of(family: str, reasoning: str = "none") -> frozenset[str]:
    """Markers that are tokens of the vocabulary."""
    written = FAMILIES[family].render([("get_weather", {"city": "Paris"})])  # shows all of them
    written += REASONING[reasoning]("") if reasoning in REASONING else ""
    return frozenset(_TOKEN.findall(written))
