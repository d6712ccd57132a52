"""MiniMax M2: several `<invoke>` in one wrapper.

Source: chat template and docs/tool_calling_guide.md of MiniMaxAI/MiniMax-M2.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.tagged import TaggedCalls

_FORM = TaggedCalls(
    tag('<invoke name="', '">'), "</invoke>", tag('<parameter name="', '">'), "</parameter>", newline=""
)
_FRAME = Frame("<minimax:tool_call>", "</minimax:tool_call>", newline="\n", between="\n")
DIALECT = FramedDialect("minimax_m2", (FramedWay(_FRAME, _FORM),), ("minimax",))
