"""Seed-OSS (and Hermes 4.3 36B): as Qwen3-Coder, in tags of its own, and no newlines around values.

Source: chat template of ByteDance-Seed/Seed-OSS-36B-Instruct.
"""

from dataclasses import replace

from vivace.chat.dialects import qwen3_coder_xml
from vivace.chat.dialects.framed import FramedDialect, FramedWay

_FRAME = replace(qwen3_coder_xml.FRAME, open="<seed:tool_call>", close="</seed:tool_call>")
DIALECT = FramedDialect("seed_oss", (FramedWay(_FRAME, replace(qwen3_coder_xml.FORM, newline="")),), ("seed",))
