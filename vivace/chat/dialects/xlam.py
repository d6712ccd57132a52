"""xLAM 2 (Salesforce): the whole turn is a JSON list, bare or in a fence.

Source: vLLM's tool_chat_template_xlam_llama.jinja and tool_chat_template_xlam_qwen.jinja.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls

_FORM = JsonCalls(listed=True, late=True)
_BARE = FramedWay(Frame(starts="["), _FORM)
_FENCED = FramedWay(Frame(open="```json", close="```", newline="\n", where="start"), _FORM)
DIALECT = FramedDialect("xlam", (_BARE, _FENCED))
