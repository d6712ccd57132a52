"""InternLM 2, 2.5, 3, Intern-S1: one JSON object between tokens, behind the token of a plugin.

Source: InternLM/InternLM chat/chat_format.md; vLLM's tool_chat_template_internlm2_tool.jinja.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls

_FRAME = Frame(call_open="<|action_start|>", call_close="<|action_end|>")
_FORM = JsonCalls(arguments="parameters", before=("<|plugin|>", "\n"))
DIALECT = FramedDialect("internlm", (FramedWay(_FRAME, _FORM),), ("internlm2", "intern-s1"))
