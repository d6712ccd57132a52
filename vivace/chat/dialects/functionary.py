"""Functionary: the recipient of a message is the tool, `all` is the user.

The prompt has written the first opener, so that the output begins with a recipient: in 3.2 with `get_weather`, a line
break and the arguments, more calls after `>>>`; in 2.4 with `<|content|>` before the arguments. An answer begins with
`all`, which the reasoning dialects here take away (the family does not reason). 2.5 has a token, 3.1 a tag.

Source: chat templates of meetkai/functionary-medium-v3.1 and -v3.2; MeetKai/functionary, functionary/prompt_template
(v2, v2.llama3).
"""

import string

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.header_calls import HeaderCalls
from vivace.chat.dialects.llama3 import TAGGED
from vivace.chat.dialects.reasoning import MarkedReasoning

_FROM, _RECIPIENT, _CONTENT = "<|from|>", "<|recipient|>", "<|content|>"
_NAME_STARTS = string.ascii_letters + "_"

_LINE = HeaderCalls(between=("\n",))
_FIRST_32 = FramedWay(Frame(starts=_NAME_STARTS, between=">>>"), _LINE)
_NEXT_32 = FramedWay(Frame(call_open=">>>"), _LINE)
_TOKEN_25 = FramedWay(Frame(call_open="<|reserved_special_token_249|>"), _LINE)

_HEADER = (f"\n{_CONTENT}",)
_FIRST_2 = FramedWay(
    Frame(starts=_NAME_STARTS, between=f"\n{_FROM}assistant\n{_RECIPIENT}"),
    HeaderCalls(between=_HEADER, seps=(_CONTENT,)),
)
_NEXT_2 = FramedWay(
    Frame(call_open=_FROM),
    HeaderCalls(before=("assistant\n", _RECIPIENT), between=_HEADER, seps=(_RECIPIENT, _CONTENT)),
)

V32 = FramedDialect("functionary_v32", (_FIRST_32, _NEXT_32), ("functionary",), preamble=("all\n", ">>>"))
V31 = FramedDialect("functionary_v31", (TAGGED,))
V25 = FramedDialect("functionary_v25", (_TOKEN_25,))
V2 = FramedDialect(
    "functionary_v2", (_FIRST_2, _NEXT_2), preamble=(f"all\n{_CONTENT}", f"{_FROM}assistant\n{_RECIPIENT}")
)

ANSWER_32 = MarkedReasoning("functionary_v32", content=("all\n", ""), answer_open="all\n")
ANSWER_2 = MarkedReasoning("functionary_v2", content=(_CONTENT, ""), preface="all", answer_open=f"all\n{_CONTENT}")
