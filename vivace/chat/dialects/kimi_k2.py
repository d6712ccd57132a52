"""Kimi K2 (Moonshot): `functions.NAME:0` is the id of the call, and stays it.

Source: chat template and docs/tool_call_guidance.md of moonshotai/Kimi-K2-Instruct.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.header_calls import HeaderCalls

_SEP = "<|tool_call_argument_begin|>"
_FRAME = Frame("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>", "<|tool_call_end|>")
_FORM = HeaderCalls(between=(_SEP,), seps=(_SEP,), keeps_id=True)
DIALECT = FramedDialect("kimi_k2", (FramedWay(_FRAME, _FORM),), ("kimi", "moonshot"))
