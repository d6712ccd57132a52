"""Hunyuan-A13B: a JSON list in tags. Hy3: keys and values in tags whose names end with the release's suffix, or JSON
behind the separator. (The template builds these tags at run time: `'<tool_calls{}>'.format(HYTK)`.)

Source: chat templates of tencent/Hunyuan-A13B-Instruct and tencent/Hy3; for the preview, whose tags have no suffix,
SGLang's hunyuan_detector.py.
"""

from collections.abc import Sequence

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.tagged import TaggedCalls


def _way(suffix: str) -> FramedWay:
    key, key_end, value = _parts(suffix)
    frame = Frame(
        f"<tool_calls{suffix}>",
        f"</tool_calls{suffix}>",
        f"<tool_call{suffix}>",
        newline="\n",
        call_newline="",
        between="\n",
    )
    form = TaggedCalls(
        None,
        f"</tool_call{suffix}>",
        tag(key, f"{key_end}\n{value}", f"{key_end}{value}"),
        f"</arg_value{suffix}>",
        newline="",
        name_close=f"<tool_sep{suffix}>",
        json_body=True,
        other_closers=(f"<end_of_tool_call{suffix}>",),
    )
    return FramedWay(frame, form)


def _parts(suffix: str) -> Sequence[str]:
    return f"<arg_key{suffix}>", f"</arg_key{suffix}>", f"<arg_value{suffix}>"


_SUFFIX = ":opensource"
_LISTED = FramedWay(Frame("<tool_calls>", "</tool_calls>"), JsonCalls(listed=True))

DIALECT = FramedDialect("hunyuan", (_LISTED,), ("hunyuan_a13b",))
HY3 = FramedDialect("hy_v3", (_way(_SUFFIX), _way("")), ("hunyuan_v3",), parts=(*_parts(_SUFFIX), *_parts("")))
PREVIEW = FramedDialect("hy_v3_preview", (_way(""), _way(_SUFFIX)), parts=(*_parts(_SUFFIX), *_parts("")))
