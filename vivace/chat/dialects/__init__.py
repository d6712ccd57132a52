"""The families we know, by name."""

from collections.abc import Mapping

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
    none.TOOLS,
)
TOOL_DIALECTS: Mapping[str, ToolDialect] = {name: d for d in _TOOL_FAMILIES for name in (d.name, *d.aliases)}
REASONING_DIALECTS: Mapping[str, ReasoningDialect] = {
    d.name: d for d in (*think.FAMILIES, harmony.REASONING, none.REASONING)
}
