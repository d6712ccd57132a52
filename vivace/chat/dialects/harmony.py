"""Harmony (gpt-oss): every message has a header that says its channel and its recipient.

`<|channel|>analysis<|message|>…<|end|>` is reasoning, `<|channel|>final<|message|>…<|return|>` the answer, and
`<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{…}<|call|>` a call; the recipient may also stand
before the channel. Commentary without a recipient is shown. Calls are handed to the tool dialect in the first of these
forms.

Source: OpenAI's harmony response format (cookbook.openai.com/articles/openai-harmony), library openai-harmony.
"""

from collections.abc import Sequence

from vivace.chat.dialects.base import Piece
from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.header_calls import HeaderCalls
from vivace.chat.dialects.messages import MessageReasoning

_START, _CHANNEL, _CONSTRAIN, _MESSAGE = "<|start|>", "<|channel|>", "<|constrain|>", "<|message|>"

_FORM = HeaderCalls(
    before=("commentary", " to=functions."),
    between=(f" {_CONSTRAIN}", "json", _MESSAGE),
    seps=(_CONSTRAIN, _MESSAGE),
    ends=("<|call|>",),
)
TOOLS = FramedDialect(
    "harmony",
    (FramedWay(Frame(call_open=_CHANNEL), _FORM),),
    ("gpt-oss",),
    parallel=False,  # the model stops at the token that ends a call
    preamble=(f"{_CHANNEL}commentary{_MESSAGE}", f"<|end|>{_START}assistant"),
)


def _call(recipient: str, token: bool) -> Sequence[Piece]:
    return Piece(_CHANNEL, token), Piece(f"commentary to={recipient}"), Piece(_MESSAGE, token)


REASONING = MessageReasoning(
    "harmony",
    opener=f"{_CHANNEL}analysis{_MESSAGE}",
    closer="<|end|>",
    resume=f"{_START}assistant",
    answer_open=f"{_CHANNEL}final{_MESSAGE}",
    start=_START,
    channel=_CHANNEL,
    message=_MESSAGE,
    ends=("<|end|>", "<|return|>", "<|call|>"),
    others=(_CONSTRAIN,),
    thinks=f"{_CHANNEL}analysis",
    call=_call,
    call_end="<|call|>",
)
