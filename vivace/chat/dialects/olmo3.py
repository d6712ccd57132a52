"""OLMo 3: Pythonic calls in tags, one a line.

Source: vLLM's tool_chat_template_olmo3.jinja; model card of allenai/Olmo-3-7B-Instruct.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.pythonic import PythonicCalls

_FRAME = Frame("<function_calls>", "</function_calls>", newline="\n")
DIALECT = FramedDialect("olmo3", (FramedWay(_FRAME, PythonicCalls(listed=False)),), ("olmo",))
