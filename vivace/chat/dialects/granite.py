"""Granite 3: a JSON list behind one token, or in tags. (Granite 4 writes as Hermes does.)

Source: chat templates of ibm-granite/granite-3.3-8b-instruct and granite-3.1-8b-instruct.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls

_FORM = JsonCalls(listed=True)
DIALECT = FramedDialect(
    "granite",
    (
        FramedWay(Frame(open="<|tool_call|>"), _FORM),
        FramedWay(Frame(open="<tool_call>", close="</tool_call>"), _FORM),
    ),
    ("granite3",),
)
