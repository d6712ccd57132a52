"""DeepSeek V3, R1 (arguments in a fence) and V3.1, V3.2-Exp (arguments alone). V3.2 and V4: see deepseek_dsml.

Source: chat templates of deepseek-ai/DeepSeek-V3, DeepSeek-R1-0528 and DeepSeek-V3.1.
"""

from dataclasses import replace

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.header_calls import HeaderCalls

_SEP = "<｜tool▁sep｜>"
_FRAME = Frame("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>")
_PLAIN = FramedWay(_FRAME, HeaderCalls(between=(_SEP,), seps=(_SEP,)))
_FENCED = FramedWay(
    replace(_FRAME, between="\n"),
    HeaderCalls(before=("function", _SEP), between=("\n```json\n",), after=("\n```",), seps=(_SEP,)),
)

V3 = FramedDialect("deepseek_v3", (_FENCED, _PLAIN), ("deepseek", "deepseek_r1"))
V31 = FramedDialect("deepseek_v31", (_PLAIN, _FENCED))
