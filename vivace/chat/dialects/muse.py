"""Muse (Glimmer, Spark): messages to recipients. ` to=self` is reasoning, ` to=user` the answer, ` to=NAME` a call.

Source: chat template of Muse Glimmer (llama.cpp models/templates/muse-glimmer.jinja).
"""

from dataclasses import dataclass

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.messages import MessageReasoning
from vivace.chat.dialects.tagged import TaggedCalls

_START, _MESSAGE, _ENDS = "<|start|>", "<|message|>", ("<|eom|>", "<|eot|>")
_RESUME = f"{_START}assistant"
_FRAME = Frame("<atem:function_calls>", "</atem:function_calls>", newline="\n", between="\n", where="line")
_FORM = TaggedCalls(
    tag('<atem:invoke name="', '">'),
    "</atem:invoke>",
    tag('<atem:parameter name="', '">'),
    "</atem:parameter>",
    newline="",
    ends=_ENDS,
)


@dataclass(frozen=True)
class _Muse(FramedDialect):
    """Each call is a message of its own, with a header that names the tool as well."""

    def call_rule(self, writer: RuleWriter, tool: Tool) -> str:
        call = super().call_rule(writer, tool)
        message = super().calls_rule(writer, call, many=False)
        return writer.rule("message", f"{writer.text(f' to={tool.name}{_MESSAGE}')} {message}")

    def calls_rule(self, writer: RuleWriter, call: str, many: bool) -> str:
        return f"{call} ({writer.text(_ENDS[0] + _RESUME)} {call})*" if many else call


TOOLS = _Muse(
    "muse",
    (FramedWay(_FRAME, _FORM),),
    ("muse_glimmer", "muse_spark"),
    parts=(_START, _MESSAGE),
    preamble=(f" to=user{_MESSAGE}", _ENDS[0] + _RESUME),
)
REASONING = MessageReasoning(
    "muse",
    opener=f" to=self{_MESSAGE}",
    closer=_ENDS[0],
    resume=_RESUME,
    answer_open=f" to=user{_MESSAGE}",
    start=_START,
    message=_MESSAGE,
    ends=_ENDS,
    thinks="to=self",
    prose=frozenset({"self", "user", "commentary"}),
    call_end=_ENDS[0],
)
