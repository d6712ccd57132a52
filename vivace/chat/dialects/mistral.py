"""Mistral, Ministral, Devstral, Magistral: three generations behind one token; ids have nine characters.

Source: mistral-common (tokenizers v3, v11, v13); chat template of mistralai/Mistral-Small-3.2-24B-Instruct-2506.
"""

import secrets
import string

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.header_calls import HeaderCalls
from vivace.chat.dialects.json_calls import JsonCalls

_ALPHABET = string.ascii_letters + string.digits


def short_id() -> str:
    """What the templates demand: nine letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(9))


_FRAME = Frame(call_open="[TOOL_CALLS]")
NEWEST = FramedWay(_FRAME, HeaderCalls(between=("[ARGS]",), seps=("[ARGS]",)))
HEADER = FramedWay(_FRAME, HeaderCalls())
LISTED = FramedWay(Frame(open="[TOOL_CALLS]"), JsonCalls(call_id="id", listed=True))

DIALECT = FramedDialect("mistral", (NEWEST, HEADER, LISTED), ("ministral", "devstral", "magistral"), short_id)
V11 = FramedDialect("mistral_v11", (HEADER, NEWEST, LISTED), new_id=short_id)
V3 = FramedDialect("mistral_v3", (LISTED, HEADER, NEWEST), new_id=short_id)
