"""Gemma 4, and FunctionGemma with other markers: `call:NAME{key:value}`, strings between two quote tokens.

Source: chat template of google/gemma-4-31B-it, which writes keys in alphabetical order and null as `None`;
ai.google.dev/gemma/docs/functiongemma/formatting-and-best-practices.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.gemma_calls import GemmaCalls

DIALECT = FramedDialect(
    "gemma4",
    (FramedWay(Frame(call_open="<|tool_call>", call_close="<tool_call|>"), GemmaCalls('<|"|>')),),
    ("gemma",),
)
FUNCTION = FramedDialect(
    "functiongemma",
    (FramedWay(Frame(call_open="<start_function_call>", call_close="<end_function_call>"), GemmaCalls("<escape>")),),
)
