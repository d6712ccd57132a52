"""EXAONE 4, K-EXAONE: Hermes without the newlines.

Source: chat template of LGAI-EXAONE/EXAONE-4.0-32B.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls

_FRAME = Frame(call_open="<tool_call>", call_close="</tool_call>", between="\n")
DIALECT = FramedDialect("exaone4", (FramedWay(_FRAME, JsonCalls()),), ("exaone",))
