"""MiniMax M3: one token before every tag, parameters as tags by name, objects and lists as nested tags.

Source: chat template of MiniMaxAI/MiniMax-M3 (it builds the markers from `ns_token`).
"""

from dataclasses import dataclass

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.nested_tags import NestedTags

NS = "]<]minimax[>["
_PARTS = (NS, "<tool_call>", "</tool_call>")


@dataclass(frozen=True)
class _MinimaxM3(FramedDialect):
    @property
    def trigger(self) -> str:
        return NS


DIALECT = _MinimaxM3("minimax_m3", (FramedWay(Frame(), NestedTags(NS)),), parts=_PARTS)
