"""GLM: keys and raw values in tags of their own behind the name; up to 4.6, in Ling and in Laguna XS each on a line,
from 4.7 on, in Laguna S and in Spark 2.5 without newlines.

Source: chat templates of zai-org/GLM-4.6 and GLM-4.7-Flash, inclusionAI/Ling-3.0-flash.
"""

from dataclasses import replace

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.tagged import TaggedCalls

_LINES, _DENSE = "</arg_key>\n<arg_value>", "</arg_key><arg_value>"
_FORM = TaggedCalls(None, "</tool_call>", tag("<arg_key>", _LINES, _DENSE), "</arg_value>", newline="")
_DENSE_FORM = replace(_FORM, key_end=_DENSE, after_tag="")
_FRAME = Frame(call_open="<tool_call>")

_PARTS = ("<arg_key>", "</arg_key>", "<arg_value>")

GLM45 = FramedDialect(
    "glm45", (FramedWay(replace(_FRAME, between="\n"), _FORM),), ("glm4.5", "glm4.6", "ling"), parts=_PARTS
)
GLM47 = FramedDialect("glm47", (FramedWay(_FRAME, _DENSE_FORM),), ("glm", "glm4.7", "glm5"), parts=_PARTS)
