"""GLM and Ling: keys and raw values in tags of their own behind the name; 4.5 and 4.6 put each on a line, 4.7 does not.

Source: chat templates of zai-org/GLM-4.6 and GLM-4.7-Flash.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.tagged import TaggedCalls

_CLOSE, _LINES, _DENSE = "</tool_call>", "</arg_key>\n<arg_value>", "</arg_key><arg_value>"
_LINE_FORM = TaggedCalls(None, _CLOSE, tag("<arg_key>", _LINES, _DENSE), "</arg_value>", newline="")
_DENSE_FORM = TaggedCalls(None, _CLOSE, tag("<arg_key>", _DENSE, _LINES), "</arg_value>", newline="", after_tag="")

DIALECT = FramedDialect("glm47", (FramedWay(Frame(call_open="<tool_call>"), _DENSE_FORM),), ("glm", "glm4.7"))
V45 = FramedDialect(
    "glm45", (FramedWay(Frame(call_open="<tool_call>", between="\n"), _LINE_FORM),), ("glm4.5", "glm4.6", "ling")
)
