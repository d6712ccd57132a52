"""SmolLM3: as Hermes writes, or Pythonic calls in a tag of code, as the request's template arguments say.

Source: model card of HuggingFaceTB/SmolLM3-3B (`xml_tools`, `python_tools`).
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.hermes import FRAME
from vivace.chat.dialects.json_calls import JsonCalls
from vivace.chat.dialects.pythonic import PythonicCalls

_CODE = Frame("<code>", "</code>", newline="\n", where="line")
DIALECT = FramedDialect("smollm3", (FramedWay(FRAME, JsonCalls()), FramedWay(_CODE, PythonicCalls(listed=False))))
