"""GLM 4.5, 4.6, 4.7 and Ling: keys and raw values in tags of their own behind the name.

Source: chat template of zai-org/GLM-4.6.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.tagged import TaggedCalls

_FORM = TaggedCalls(
    None,
    "</tool_call>",
    tag("<arg_key>", "</arg_key>\n<arg_value>", "</arg_key><arg_value>"),
    "</arg_value>",
    newline="",
)
DIALECT = FramedDialect(
    "glm47",
    (FramedWay(Frame(call_open="<tool_call>", between="\n"), _FORM),),
    ("glm", "glm4.5", "glm4.6", "glm4.7", "ling"),
)
