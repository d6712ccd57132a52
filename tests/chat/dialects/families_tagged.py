"""Families that write each argument between tags, without quoting."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.chat.dialects.rendering import Call, Family, Render, around, dumped, separately


def value(written: Any) -> str:
    """A value without quoting."""
    return written if isinstance(written, str) else dumped(written)


def tags(
    function: str,
    parameter: str,
    ends: tuple[str, str],
    newline: str = "\n",
    after: str = "\n",
    between: str | None = None,
    written: Callable[[Any], str] = value,
) -> Render:
    """Tagged parameters; NAME and KEY stand in the openers. `between`: calls, if not as between tags."""

    def one(name: str, arguments: Mapping[str, Any]) -> str:
        body = "".join(
            parameter.replace("KEY", key) + newline + written(v) + newline + ends[1] + after
            for key, v in arguments.items()
        )
        return function.replace("NAME", name) + after + body + ends[0]

    return lambda calls: (after if between is None else between).join(one(*call) for call in calls)


_OPEN, _CLOSE = "⟦<tool_call>⟧", "⟦</tool_call>⟧"


_QWEN_TAGS = tags("<function=NAME>", "<parameter=KEY>", ("</function>", "</parameter>"))


def python_value(written: Any) -> str:
    """Without quoting, and anything but text as Python writes it."""
    return written if isinstance(written, str) else repr(written)


def _minicpm_value(written: Any) -> str:
    text = python_value(written)
    return f"<![CDATA[{text}]]>" if isinstance(written, str) and re.search("[<&\n]", text) else text


_DSML = "⟦｜DSML｜⟧"


def _dsml(block: str, blank: str = "") -> Render:
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


def _hunyuan(suffix: str) -> Render:
    def token(name: str) -> str:
        return f"⟦<{name}{suffix}>⟧"

    call = tags(
        f"{token('tool_call')}NAME{token('tool_sep')}",
        f"{token('arg_key')}KEY{token('/arg_key')}\n{token('arg_value')}",
        (token("/tool_call"), token("/arg_value")),
        newline="",
    )
    return around(token("tool_calls") + "\n", call, "\n" + token("/tool_calls"))


def _pairs(tag: str, newline: str, open_call: str) -> Render:
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


FAMILIES: dict[str, Family] = {
    "qwen3_coder_xml": Family(
        separately(around(f"{_OPEN}\n", _QWEN_TAGS, f"\n{_CLOSE}"), "\n"),
        raw=True,
    ),
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
    "minimax_m3": Family(_minimax_m3, raw=True, lossy=True),
    "nemotron": Family(separately(around(f"{_OPEN}\n", _QWEN_TAGS, f"\n{_CLOSE}"), "\n"), raw=True),
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
    "longcat_pairs": Family(_pairs("longcat_arg_", "\n", "longcat_tool_call"), raw=True),
    "k2_horizon": Family(
        around("⟦<ifm|tool_calls>⟧", _pairs("ifm|arg_", "", "ifm|tool_call"), "⟦</ifm|tool_calls>⟧"), raw=True
    ),
    "hy_v3": Family(_hunyuan(":opensource"), raw=True),
    "hy_v3_preview": Family(_hunyuan(""), raw=True),
    "muse": Family(
        _muse,
        raw=True,
        reasoning="muse",
        prose=lambda text: f" to=user⟦<|message|>⟧{text}⟦<|eom|>⟧⟦<|start|>⟧assistant",
    ),
}
