"""UI-TARS: `Action: click(point='<point>200 300</point>')`, one call or several, each behind an empty line.

Neither the template nor the vocabulary tells it from Qwen2-VL, so it is chosen by name only. What precedes the action
(`Thought: …`) is content. UI-TARS 1.0 writes points between two tokens, which are part of the value.

Source: bytedance/UI-TARS, codes/ui_tars/prompt.py and action_parser.py.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.pythonic import PythonicCalls

_FRAME = Frame(open="Action:", newline=" ", where="line")
DIALECT = FramedDialect(
    "ui_tars",
    (FramedWay(_FRAME, PythonicCalls(listed=False, between="\n\n")),),
    ("ui-tars",),
    parts=("<|box_start|>", "<|box_end|>"),
)
