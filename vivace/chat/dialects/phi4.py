"""Phi-4-mini: a JSON list between two tokens, or behind the word `functools` (also Firefunction 2).

Source: model card of microsoft/Phi-4-mini-instruct; vLLM's tool_chat_template_phi4_mini.jinja; chat template of
fireworks-ai/llama-3-firefunction-v2.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls

_FORM = JsonCalls(listed=True)
_TOKENS = FramedWay(Frame(open="<|tool_call|>", close="<|/tool_call|>"), _FORM)
_WORD = FramedWay(Frame(open="functools"), _FORM)

DIALECT = FramedDialect("phi4", (_TOKENS, _WORD), ("phi-4", "phi4_mini"))
FUNCTOOLS = FramedDialect("phi4_functools", (_WORD, _TOKENS), ("firefunction",))
