"""DeepSeek V3.2, V4 and V4.1: DSML, tags that have one token inside. Strings are told from JSON by an attribute.

Source: encoding/README.md of deepseek-ai/DeepSeek-V3.2; chat templates of DeepSeek V3.2 and V4 in llama.cpp
(models/templates); for V4.1 SGLang's deepseekv41_detector.py, which says that the blanks are meant. No template of V4.1
was found, so its `model_type` (mlx-lm's models/deepseek_v41.py, transformers) is what tells it.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.tagged import TaggedCalls

_PART = "｜DSML｜"
_TEXT, _JSON = '" string="true">', '" string="false">'


def _way(block: str, blank: str = "", empty: str = "") -> FramedWay:
    def names(name: str) -> tuple[str, str]:
        return f"<{_PART}{blank}{name}", f"</{_PART}{blank}{name}>"

    (invoke, invoke_close), (parameter, parameter_close) = names("invoke"), names("parameter")
    form = TaggedCalls(
        tag(f'{invoke} name="', '">'),
        invoke_close,
        tag(f'{parameter} name="', _TEXT, _JSON, '">'),
        parameter_close,
        newline="",
        json_suffix=_JSON,
        text_suffix=_TEXT,
        empty=empty,
        json_body=True,
    )
    opener, closer = names(block)
    return FramedWay(Frame(f"{opener}>", closer, newline="\n", between="\n"), form)


_V32, _V4, _V41 = _way("function_calls"), _way("tool_calls", empty="\n"), _way("calls", " ")

V32 = FramedDialect("deepseek_v32", (_V32, _V4), parts=(_PART,))
V4 = FramedDialect("deepseek_v4", (_V4, _V32), ("dsml",), parts=(_PART,))
V41 = FramedDialect("deepseek_v41", (_V41, _V4), parts=(_PART,))
