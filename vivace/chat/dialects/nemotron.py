"""Nemotron 3 (as Qwen3-Coder), and Nemotron Nano v2 and Super v1.5: a JSON list between two tags.

Source: chat templates of nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16, nvidia/NVIDIA-Nemotron-Nano-9B-v2 and
nvidia/Llama-3_3-Nemotron-Super-49B-v1_5.
"""

from vivace.chat.dialects import hermes, qwen3_coder_xml
from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls

_TAGGED = FramedWay(qwen3_coder_xml.FRAME, qwen3_coder_xml.FORM)
_JSON = FramedWay(hermes.FRAME, JsonCalls())
_LISTED = FramedWay(Frame("<TOOLCALL>", "</TOOLCALL>"), JsonCalls(listed=True))

DIALECT = FramedDialect("nemotron", (_TAGGED, _JSON, _LISTED), ("nemotron_3",))
V2 = FramedDialect("nemotron_v2", (_LISTED, _TAGGED, _JSON), ("nemotron_nano_v2", "nemotron_super_v1.5"))
