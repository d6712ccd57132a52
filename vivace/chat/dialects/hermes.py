"""Hermes, Qwen2.5, Qwen3, granite 4, ERNIE 4.5: one JSON object in tags around each call.

Source: chat template of Qwen/Qwen3-8B and NousResearch/Hermes-3-Llama-3.1-8B;
for ERNIE the docstring of vLLM's ernie45_tool_parser.py.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls

FRAME = Frame(call_open="<tool_call>", call_close="</tool_call>", newline="\n", between="\n")
DIALECT = FramedDialect(
    "hermes", (FramedWay(FRAME, JsonCalls()),), ("qwen", "qwen2.5", "qwen3", "nous", "ernie45", "ernie4.5")
)
