"""Granite 3: a JSON list behind one token, or in tags; Granite 20B: objects behind a tag each. (Granite 4 writes as
Hermes does.)

Source: chat template of ibm-granite/granite-3.3-8b-instruct, which asks for the list; vLLM's
tool_chat_template_granite.jinja and tool_chat_template_granite_20b_fc.jinja.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls

_FORM = JsonCalls(listed=True)
DIALECT = FramedDialect(
    "granite",
    (
        FramedWay(Frame(open="<|tool_call|>"), _FORM),
        FramedWay(Frame(open="<tool_call>", close="</tool_call>"), _FORM),
        FramedWay(Frame(call_open="<function_call>"), JsonCalls()),
    ),
    ("granite3",),
)
