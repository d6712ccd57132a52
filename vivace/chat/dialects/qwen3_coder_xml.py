"""Qwen3-Coder, Qwen3.5, Qwen3.6, Vivace Mini: tags around raw values."""

from vivace.chat.dialects.lexer import Tag
from vivace.chat.dialects.tagged import TaggedDialect

DIALECT = TaggedDialect(
    name="qwen3_coder_xml",
    wrapper_open="<tool_call>",
    wrapper_close="</tool_call>",
    function_open=Tag("<function=", ">"),
    function_close="</function>",
    parameter_open=Tag("<parameter=", ">"),
    parameter_close="</parameter>",
    aliases=("qwen3.5", "qwen3.6", "qwen3-coder", "minicpm-v4.7"),
)
