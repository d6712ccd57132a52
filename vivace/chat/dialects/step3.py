"""Step 3 (StepFun; Step 3.5 writes as Qwen3-Coder does): tags in token markers, and Step-DeepResearch: in tags alone.

Source: docstring of vLLM's step3_tool_parser.py (by StepFun) and of SGLang's step3_detector.py.
"""

from dataclasses import replace

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.tagged import TaggedCalls

_PLAIN = TaggedCalls(
    tag('<steptml:invoke name="', '">'),
    "</steptml:invoke>",
    tag('<steptml:parameter name="', '">'),
    "</steptml:parameter>",
    newline="",
)
_FORM = replace(_PLAIN, before=("function", "<｜tool_sep｜>"))
_FRAME = Frame("<｜tool_calls_begin｜>", "<｜tool_calls_end｜>", "<｜tool_call_begin｜>", "<｜tool_call_end｜>")
_RESEARCH = Frame("<steptml:toolcall>", "</steptml:toolcall>", newline="\n", between="\n")

DIALECT = FramedDialect("step3", (FramedWay(_FRAME, _FORM), FramedWay(_RESEARCH, _PLAIN)), ("step",))
