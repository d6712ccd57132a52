"""Jamba 1.5 to 1.7 (AI21): a JSON list in tags, one call a line.

Source: chat template of ai21labs/AI21-Jamba-1.5-Mini.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls

_FRAME = Frame("<tool_calls>", "</tool_calls>")
DIALECT = FramedDialect("jamba", (FramedWay(_FRAME, JsonCalls(listed=True, spread=True)),))
