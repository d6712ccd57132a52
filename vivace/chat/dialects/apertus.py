"""Apertus (Swiss AI): a JSON list between two tokens, in which the name of a tool is the key of its arguments.

Source: chat template of swiss-ai/Apertus-8B-Instruct-2509.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls

_FRAME = Frame("<|tools_prefix|>", "<|tools_suffix|>")
DIALECT = FramedDialect("apertus", (FramedWay(_FRAME, JsonCalls(name="", listed=True)),))
