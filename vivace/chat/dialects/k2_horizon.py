"""K2 Horizon (IFM): keys, perhaps types, and values in tags of their own; or JSON in the same frame.

Source: SGLang's k2_v3_detector.py, which names the canonical wire format of the released chat templates.
"""

from dataclasses import replace

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.tagged import TaggedCalls

_KEY, _KEY_END, _VALUE, _VALUE_END = "<ifm|arg_key>", "</ifm|arg_key>", "<ifm|arg_value>", "</ifm|arg_value>"
_TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
_TYPED = [f"<ifm|arg_type>{kind}</ifm|arg_type>" for kind in _TYPES]
_SUFFIXES = [f"{_KEY_END}{n}{_VALUE}" for n in ("", "\n")]
_SUFFIXES += [f"{_KEY_END}{n}{kind}{n}{_VALUE}" for n in ("", "\n") for kind in _TYPED]
_FORM = TaggedCalls(None, "</ifm|tool_call>", tag(_KEY, *_SUFFIXES), _VALUE_END, newline="", after_tag="")
_FRAME = Frame("<ifm|tool_calls>", "</ifm|tool_calls>", "<ifm|tool_call>")
_JSON = replace(_FRAME, call_close="</ifm|tool_call>")

DIALECT = FramedDialect(
    "k2_horizon",
    (FramedWay(_FRAME, _FORM), FramedWay(_JSON, JsonCalls())),
    ("k2_v3",),
    parts=(_KEY, _KEY_END, _VALUE, "<ifm|arg_type>", "</ifm|arg_type>"),
)
