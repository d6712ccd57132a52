"""MiniCPM5 and MiniCPM4: tags without a wrapper; what could be mistaken for one stands in CDATA.

Source: chat template of openbmb/MiniCPM5-1B.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.tagged import TaggedCalls

_FORM = TaggedCalls(
    tag('<function name="', '">'),
    "</function>",
    tag('<param name="', '">'),
    "</param>",
    newline="",
    after_tag="",
    cdata=True,
)
DIALECT = FramedDialect(
    "minicpm", (FramedWay(Frame(between="\n"), _FORM),), ("minicpm5", "minicpm4"), parts=("<function", "<param")
)
