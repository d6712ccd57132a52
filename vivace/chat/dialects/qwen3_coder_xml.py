"""Qwen3-Coder, Qwen3.5, Qwen3.6, Vivace Mini: tags around raw values.

Source: chat templates of Qwen/Qwen3-Coder-30B-A3B-Instruct and Qwen/Qwen3.5-4B, which write `True` and `None`, and of
Qwen3.6, which writes JSON.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.tagged import TaggedCalls

FORM = TaggedCalls(tag("<function=", ">"), "</function>", tag("<parameter=", ">"), "</parameter>")
FRAME = Frame("<tool_call>", "</tool_call>", newline="\n", between="\n", many=False)
DIALECT = FramedDialect(
    "qwen3_coder_xml", (FramedWay(FRAME, FORM),), ("qwen3.5", "qwen3.6", "qwen3-coder", "minicpm-v4.7")
)
