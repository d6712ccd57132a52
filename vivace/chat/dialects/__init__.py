"""The families we know, and how a checkpoint tells which one it is."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from vivace.chat.dialects import (
    deepseek,
    gemma4,
    glm47,
    granite,
    harmony,
    hermes,
    kimi_k2,
    lfm2,
    llama3,
    minimax_m2,
    mistral,
    none,
    qwen3_coder_xml,
    think,
)
from vivace.chat.dialects.base import ReasoningDialect, ToolDialect

_TOOL_FAMILIES: tuple[ToolDialect, ...] = (
    hermes.DIALECT,
    qwen3_coder_xml.DIALECT,
    mistral.DIALECT,
    mistral.V11,
    mistral.V3,
    deepseek.V3,
    deepseek.V31,
    kimi_k2.DIALECT,
    glm47.DIALECT,
    minimax_m2.DIALECT,
    granite.DIALECT,
    llama3.DIALECT,
    llama3.LLAMA4,
    lfm2.DIALECT,
    gemma4.DIALECT,
    gemma4.FUNCTION,
    harmony.TOOLS,
    none.TOOLS,
)
TOOL_DIALECTS: Mapping[str, ToolDialect] = {name: d for d in _TOOL_FAMILIES for name in (d.name, *d.aliases)}
REASONING_DIALECTS: Mapping[str, ReasoningDialect] = {
    d.name: d for d in (*think.FAMILIES, harmony.REASONING, none.REASONING)
}


@dataclass(frozen=True)
class Choice:
    """Names in the two registries, and for each ("tool", "reasoning") why it was chosen."""

    tool: str
    reasoning: str
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class Sign:
    """A checkpoint speaks `dialect` if all of this holds.

    Attributes:
        texts: stand in the chat template; `absent` do not.
        tokens: are added tokens of the vocabulary.
        model_types: config.json has one of them, or one that goes on from it.
    """

    dialect: str
    texts: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    model_types: tuple[str, ...] = ()


# The first sign that fits decides, so the more specific come first.
TOOL_SIGNS = (Sign("qwen3_coder_xml", ("<tool_call>", "<function=", "<parameter=")),)
REASONING_SIGNS = (Sign("think", ("<think>",)), Sign("think", ("</think>",)))


def choose(template: str | None, added_tokens: Collection[str], tool: str = "auto", reasoning: str = "auto") -> Choice:
    """The dialects of a checkpoint, from its template's text and its added tokens, unless they are given by name."""
    chosen_tool, tool_reason = _choose(tool, TOOL_SIGNS, template or "")
    chosen_reasoning, reasoning_reason = _choose(reasoning, REASONING_SIGNS, template or "")
    if reasoning == "auto" and chosen_reasoning == "none" and {"<think>", "</think>"} <= set(added_tokens):
        chosen_reasoning, reasoning_reason = "think", "<think> and </think> are tokens of the vocabulary"
    return Choice(chosen_tool, chosen_reasoning, {"tool": tool_reason, "reasoning": reasoning_reason})


def _choose(wanted: str, signs: tuple[Sign, ...], template: str) -> tuple[str, str]:
    if wanted != "auto":
        return wanted, "set by the user"
    for sign in signs:
        if all(text in template for text in sign.texts):
            return sign.dialect, f"the chat template contains {' and '.join(sign.texts)}"
    return "none", "neither chat template nor added tokens show a known form"
