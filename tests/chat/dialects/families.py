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
        prose: how text is written before calls, up to what the prompt would have written.
        lossy: what stands in untyped objects and lists cannot be told apart, and not every key can be written.
    """

    render: Callable[[Sequence[Call]], str]
    raw: bool = False
    reasoning: str = "none"
    prose: Callable[[str], str] = str
    lossy: bool = False


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
    function: str,
    parameter: str,
    ends: tuple[str, str],
    newline: str = "\n",
    after: str = "\n",
    between: str | None = None,
    written: Callable[[Any], str] = value,
) -> Callable[[Sequence[Call]], str]:
    """Tagged parameters; NAME and KEY stand in the openers. `between`: calls, if not as between tags."""

    def one(name: str, arguments: Mapping[str, Any]) -> str:
        body = "".join(
            parameter.replace("KEY", key) + newline + written(v) + newline + ends[1] + after
            for key, v in arguments.items()
        )
        return function.replace("NAME", name) + after + body + ends[0]

    return lambda calls: (after if between is None else between).join(one(*call) for call in calls)


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


def python_value(written: Any) -> str:
    """Without quoting, and anything but text as Python writes it."""
    return written if isinstance(written, str) else repr(written)


def _minicpm_value(written: Any) -> str:
    text = python_value(written)
    return f"<![CDATA[{text}]]>" if isinstance(written, str) and re.search("[<&\n]", text) else text


_DSML = "⟦｜DSML｜⟧"


def _dsml(block: str, blank: str = "") -> Callable[[Sequence[Call]], str]:
    def one(name: str, given: Mapping[str, Any]) -> str:
        body = "".join(
            f'<{_DSML}{blank}parameter name="{k}" string="{dumped(isinstance(v, str))}">{value(v)}'
            f"</{_DSML}{blank}parameter>\n"
            for k, v in given.items()
        )
        empty = "\n" if block == "tool_calls" and not given else ""
        return f'<{_DSML}{blank}invoke name="{name}">\n{body}{empty}</{_DSML}{blank}invoke>\n'

    return lambda calls: (
        f"<{_DSML}{blank}{block}>\n" + "".join(one(*call) for call in calls) + f"</{_DSML}{blank}{block}>"
    )


def _hunyuan(suffix: str) -> Callable[[Sequence[Call]], str]:
    def token(name: str) -> str:
        return f"⟦<{name}{suffix}>⟧"

    call = tags(
        f"{token('tool_call')}NAME{token('tool_sep')}",
        f"{token('arg_key')}KEY{token('/arg_key')}\n{token('arg_value')}",
        (token("/tool_call"), token("/arg_value")),
        newline="",
    )
    return around(token("tool_calls") + "\n", call, "\n" + token("/tool_calls"))


def _pairs(tag: str, newline: str, open_call: str) -> Callable[[Sequence[Call]], str]:
    """Keys and values in tags of their own."""
    return tags(
        f"⟦<{open_call}>⟧NAME",
        f"⟦<{tag}key>⟧KEY⟦</{tag}key>⟧{newline}⟦<{tag}value>⟧",
        (f"⟦</{open_call}>⟧", f"⟦</{tag}value>⟧"),
        newline="",
        after=newline,
    )


_ATEM = around(
    "<atem:function_calls>\n",
    tags(
        '<atem:invoke name="NAME">', '<atem:parameter name="KEY">', ("</atem:invoke>", "</atem:parameter>"), newline=""
    ),
    "\n</atem:function_calls>",
)


def _muse(calls: Sequence[Call]) -> str:
    return "⟦<|eom|>⟧⟦<|start|>⟧assistant".join(f" to={call[0]}⟦<|message|>⟧{_ATEM([call])}" for call in calls)


_NS = "⟦]<]minimax[>[⟧"


def _nested(key: str, written: Any) -> str:
    if isinstance(written, dict):
        inside = "".join(_nested(k, v) for k, v in written.items())
    elif isinstance(written, list):
        inside = "".join(_nested("item", v) for v in written)
    else:
        inside = value(written)
    return f"{_NS}<{key}>{inside}{_NS}</{key}>"


def _minimax_m3(calls: Sequence[Call]) -> str:
    parts = [
        f'{_NS}<invoke name="{name}">{"".join(_nested(k, v) for k, v in given.items())}{_NS}</invoke>\n'
        for name, given in calls
    ]
    return f"{_NS}<tool_call>\n{''.join(parts)}{_NS}</tool_call>"


def _python_calls(calls: Sequence[Call], between: str = ", ") -> str:
    def one(name: str, given: Mapping[str, Any]) -> str:
        return f"{name}({', '.join(f'{k}={v!r}' for k, v in given.items())})"

    return between.join(one(*call) for call in calls)


def _pythonic(calls: Sequence[Call]) -> str:
    return f"[{_python_calls(calls)}]"


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


def _olmo(calls: Sequence[Call]) -> str:
    return "\n".join(_pythonic([call])[1:-1] for call in calls)


def _keyed(calls: Sequence[Call]) -> str:
    return dumped([{name: arguments} for name, arguments in calls])


_COMMAND = '{"tool_call_id": "@N", "tool_name": "@NAME", "parameters": @ARGS}'
_INTERNLM = '⟦<|action_start|>⟧⟦<|plugin|>⟧\n{"name": "@NAME", "parameters": @ARGS}⟦<|action_end|>⟧'
_FUNCTIONARY_2 = "⟦<|from|>⟧assistant\n⟦<|recipient|>⟧"


def spread(template: str) -> Callable[[Sequence[Call]], str]:
    """A list with each call on a line of its own."""
    return around("[\n    ", each(template, ",\n    "), "\n]")


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
    "glm45": Family(_pairs("arg_", "\n", "tool_call"), raw=True),
    "glm47": Family(_pairs("arg_", "", "tool_call"), raw=True),
    "minimax_m2": Family(
        around(
            "⟦<minimax:tool_call>⟧\n",
            tags('<invoke name="NAME">', '<parameter name="KEY">', ("</invoke>", "</parameter>"), newline=""),
            "\n⟦</minimax:tool_call>⟧",
        ),
        raw=True,
    ),
    "harmony": Family(each(_HARMONY)),
    "minimax_m3": Family(_minimax_m3, raw=True, lossy=True),
    "nemotron": Family(separately(around(f"{_OPEN}\n", _QWEN_TAGS, f"\n{_CLOSE}"), "\n"), raw=True),
    "nemotron_v2": Family(listed("<TOOLCALL>", "</TOOLCALL>")),
    "seed_oss": Family(
        separately(
            around(
                "⟦<seed:tool_call>⟧\n",
                tags(
                    "<function=NAME>",
                    "<parameter=KEY>",
                    ("</function>", "</parameter>"),
                    newline="",
                    written=python_value,
                ),
                "\n⟦</seed:tool_call>⟧",
            ),
            "\n",
        ),
        raw=True,
    ),
    "minicpm": Family(
        tags(
            '⟦<function⟧ name="NAME">',
            '⟦<param⟧ name="KEY">',
            ("⟦</function>⟧", "⟦</param>⟧"),
            newline="",
            after="",
            between="\n",
            written=_minicpm_value,
        ),
        raw=True,
    ),
    "deepseek_v32": Family(_dsml("function_calls"), raw=True),
    "deepseek_v4": Family(_dsml("tool_calls"), raw=True),
    "deepseek_v41": Family(_dsml("calls", " "), raw=True),
    "step3": Family(
        around(
            "⟦<｜tool_calls_begin｜>⟧",
            separately(
                around(
                    "⟦<｜tool_call_begin｜>⟧function⟦<｜tool_sep｜>⟧",
                    tags(
                        '<steptml:invoke name="NAME">',
                        '<steptml:parameter name="KEY">',
                        ("</steptml:invoke>", "</steptml:parameter>"),
                        newline="",
                    ),
                    "⟦<｜tool_call_end｜>⟧",
                ),
                "",
            ),
            "⟦<｜tool_calls_end｜>⟧",
        ),
        raw=True,
    ),
    "longcat": Family(
        each('⟦<longcat_tool_call>⟧\n{"name": "@NAME", "arguments": @ARGS}\n⟦</longcat_tool_call>⟧', "\n")
    ),
    "longcat_pairs": Family(_pairs("longcat_arg_", "\n", "longcat_tool_call"), raw=True),
    "k2_horizon": Family(
        around("⟦<ifm|tool_calls>⟧", _pairs("ifm|arg_", "", "ifm|tool_call"), "⟦</ifm|tool_calls>⟧"), raw=True
    ),
    "hunyuan": Family(listed("<tool_calls>", "</tool_calls>")),
    "hy_v3": Family(_hunyuan(":opensource"), raw=True),
    "hy_v3_preview": Family(_hunyuan(""), raw=True),
    "muse": Family(
        _muse,
        raw=True,
        reasoning="muse",
        prose=lambda text: f" to=user⟦<|message|>⟧{text}⟦<|eom|>⟧⟦<|start|>⟧assistant",
    ),
    "ui_tars": Family(lambda calls: "Action: " + _python_calls(calls, "\n\n")),
    "granite": Family(listed("⟦<|tool_call|>⟧")),
    "llama3": Family(each('{"name": "@NAME", "parameters": @ARGS}', "; ")),
    "llama4": Family(_pythonic),
    "lfm2": Family(around("⟦<|tool_call_start|>⟧", _pythonic, "⟦<|tool_call_end|>⟧")),
    "gemma4": Family(_gemma("⟦<|tool_call>⟧", "⟦<tool_call|>⟧", '⟦<|"|>⟧'), raw=True),
    "functiongemma": Family(_gemma("⟦<start_function_call>⟧", "⟦<end_function_call>⟧", "⟦<escape>⟧"), raw=True),
    "phi4": Family(listed("⟦<|tool_call|>⟧", "⟦<|/tool_call|>⟧")),
    "phi4_functools": Family(listed("functools")),
    "functionary_v32": Family(each("@NAME\n@ARGS", ">>>"), prose=lambda text: f"{text}>>>"),
    "functionary_v31": Family(each("<function=@NAME>@ARGS</function>")),
    "functionary_v25": Family(each("⟦<|reserved_special_token_249|>⟧@NAME\n@ARGS")),
    "functionary_v2": Family(
        each("@NAME\n⟦<|content|>⟧@ARGS", f"\n{_FUNCTIONARY_2}"), prose=lambda text: text + _FUNCTIONARY_2
    ),
    "xlam": Family(listed("")),
    "command": Family(around("⟦<|START_ACTION|>⟧", spread(_COMMAND), "⟦<|END_ACTION|>⟧")),
    "command_r": Family(around("Action:\n```json\n", spread('{"tool_name": "@NAME", "parameters": @ARGS}'), "\n```")),
    "internlm": Family(each(_INTERNLM)),
    "olmo3": Family(around("<function_calls>\n", _olmo, "\n</function_calls>")),
    "exaone4": Family(each(f'{_OPEN}{{"name": "@NAME", "arguments": @ARGS}}{_CLOSE}', "\n")),
    "apertus": Family(around("⟦<|tools_prefix|>⟧", _keyed, "⟦<|tools_suffix|>⟧")),
    "jamba": Family(around("⟦<tool_calls>⟧", spread('{"name": "@NAME", "arguments": @ARGS}'), "⟦</tool_calls>⟧")),
    "smollm3": Family(each(f'{_OPEN}\n{{"name": "@NAME", "arguments": @ARGS}}\n{_CLOSE}', "\n")),
}

# As many newlines as the family puts after its reasoning belong to the marker.
REASONING: dict[str, Callable[[str], str]] = {
    "think": lambda text: f"⟦<think>⟧\n{text}\n⟦</think>⟧\n\n",
    "mistral": lambda text: f"⟦[THINK]⟧{text}⟦[/THINK]⟧",
    "gemma4": lambda text: f"⟦<|channel>⟧thought\n{text}\n⟦<channel|>⟧",
    "seed_oss": lambda text: f"⟦<seed:think>⟧{text}⟦</seed:think>⟧",
    "hunyuan": lambda text: f"⟦<think>⟧\n{text}\n⟦</think>⟧\n⟦<answer>⟧\n",
    "hy_v3": lambda text: f"⟦<think:opensource>⟧{text}⟦</think:opensource>⟧",
    "longcat": lambda text: f"⟦<longcat_think>⟧\n{text}\n⟦</longcat_think>⟧\n",
    "k2_horizon": lambda text: f"⟦<ifm|think_fast>⟧{text}⟦</ifm|think_fast>⟧",
    "minimax_m3": lambda text: f"⟦<mm:think>⟧{text}⟦</mm:think>⟧",
    "granite": lambda text: f"Here is my thought process:\n{text}\nHere is my response:\n",
    "muse": lambda text: f" to=self⟦<|message|>⟧{text}⟦<|eom|>⟧⟦<|start|>⟧assistant to=user⟦<|message|>⟧",
    "harmony": lambda text: (
        f"⟦<|channel|>⟧analysis⟦<|message|>⟧{text}⟦<|end|>⟧⟦<|start|>⟧assistant⟦<|channel|>⟧final⟦<|message|>⟧"
    ),
    "response": lambda text: f"⟦<think>⟧{text}⟦</think>⟧⟦<response>⟧",
    "apertus": lambda text: f"⟦<|inner_prefix|>⟧{text}⟦<|inner_suffix|>⟧",
    "command_response": lambda text: f"⟦<|START_THINKING|>⟧{text}⟦<|END_THINKING|>⟧⟦<|START_RESPONSE|>⟧",
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
    call = ("get_weather", {"city": "Paris"})
    written = FAMILIES[family].render([call, call])  # shows all of them
    written += REASONING[reasoning]("") if reasoning in REASONING else ""
    return frozenset(_TOKEN.findall(written))
