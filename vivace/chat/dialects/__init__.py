"""The families we know, by name."""

from collections.abc import Mapping

from vivace.chat.dialects import (
    apertus,
    command,
    deepseek,
    exaone4,
    functionary,
    gemma4,
    glm47,
    granite,
    harmony,
    hermes,
    internlm,
    jamba,
    kimi_k2,
    lfm2,
    llama3,
    minimax_m2,
    mistral,
    none,
    olmo3,
    phi4,
    qwen3_coder_xml,
    smollm3,
    think,
    xlam,
)
from vivace.chat.dialects.base import ReasoningDialect, ToolDialect
from vivace.chat.dialects.choice import Choice, choose

__all__ = ["REASONING_DIALECTS", "TOOL_DIALECTS", "Choice", "choose"]

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
    phi4.DIALECT,
    phi4.FUNCTOOLS,
    functionary.V32,
    functionary.V31,
    functionary.V25,
    functionary.V2,
    xlam.DIALECT,
    command.DIALECT,
    command.R,
    internlm.DIALECT,
    olmo3.DIALECT,
    exaone4.DIALECT,
    apertus.DIALECT,
    jamba.DIALECT,
    smollm3.DIALECT,
    none.TOOLS,
)
TOOL_DIALECTS: Mapping[str, ToolDialect] = {name: d for d in _TOOL_FAMILIES for name in (d.name, *d.aliases)}
REASONING_DIALECTS: Mapping[str, ReasoningDialect] = {
    d.name: d for d in (*think.FAMILIES, functionary.ANSWER_32, functionary.ANSWER_2, harmony.REASONING, none.REASONING)
}
