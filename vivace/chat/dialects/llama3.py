"""Llama 3.1 to 4: bare JSON at the start of the answer, the same behind `<|python_tag|>`, a tag around the arguments,
or Pythonic calls (3.2, 4).

Source: Meta's prompt formats for Llama 3.1, 3.2 and 4 (llama.com/docs); chat template of Llama-3.1-8B-Instruct.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.header_calls import HeaderCalls
from vivace.chat.dialects.json_calls import JsonCalls
from vivace.chat.dialects.lexer import tag
from vivace.chat.dialects.pythonic import PythonicCalls

_JSON = JsonCalls(arguments="parameters", late=True)
BARE = FramedWay(Frame(starts="{", between="; "), _JSON)
TOKEN = FramedWay(Frame(call_open="<|python_tag|>", between="; "), _JSON)
TAGGED = FramedWay(
    Frame(), HeaderCalls(before=(tag("<function=", ">"),), after=("</function>",), seps=("</function>",))
)
PYTHONIC = FramedWay(Frame(starts="["), PythonicCalls())
MARKED = FramedWay(Frame(open="<|python_start|>", close="<|python_end|>"), PythonicCalls())

DIALECT = FramedDialect("llama3", (BARE, TOKEN, TAGGED, PYTHONIC, MARKED), ("llama", "llama3.1", "llama3.3"))
LLAMA4 = FramedDialect("llama4", (PYTHONIC, MARKED, BARE, TOKEN, TAGGED), ("llama3.2", "pythonic"))
