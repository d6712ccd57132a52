"""LongCat (Meituan): JSON in tags of its own (Flash-Chat), later keys and values in tags (Flash-Thinking-2601, Lite).

Source: model card of meituan-longcat/LongCat-Flash-Chat; mlx-lm's tool_parsers/longcat.py.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.tagged import TaggedCalls

_OPEN, _CLOSE = "<longcat_tool_call>", "</longcat_tool_call>"
_JSON = FramedWay(Frame(call_open=_OPEN, call_close=_CLOSE, newline="\n", between="\n"), JsonCalls())
_PAIRS = FramedWay(
    Frame(call_open=_OPEN, between="\n"),
    TaggedCalls(
        None,
        _CLOSE,
        tag(
            "<longcat_arg_key>",
            "</longcat_arg_key>\n<longcat_arg_value>",
            "</longcat_arg_key><longcat_arg_value>",
        ),
        "</longcat_arg_value>",
        newline="",
    ),
)
_PARTS = ("<longcat_arg_key>", "</longcat_arg_key>", "<longcat_arg_value>")

DIALECT = FramedDialect("longcat", (_JSON, _PAIRS), parts=_PARTS)
PAIRS = FramedDialect("longcat_pairs", (_PAIRS, _JSON), parts=_PARTS)
