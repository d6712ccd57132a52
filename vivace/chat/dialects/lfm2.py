"""LFM2 (Liquid): a list of Pythonic calls between two tokens.

Source: chat template of LiquidAI/LFM2.5-1.2B-Instruct, which writes strings in single quotes and JSON within lists and
objects; model card of LFM2-1.2B-Tool.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.pythonic import PythonicCalls

_FRAME = Frame("<|tool_call_start|>", "<|tool_call_end|>")
DIALECT = FramedDialect("lfm2", (FramedWay(_FRAME, PythonicCalls()),), ("liquid",))
