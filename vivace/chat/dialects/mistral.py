"""Mistral, Ministral, Devstral, Magistral: three generations behind one token; ids have nine characters.

The second generation (Small 3.2, Magistral 2506) writes the id behind the name; where a tokenizer drops `[ARGS]`, the
arguments follow the name.

Source: chat templates of mistralai/Mistral-Nemo-Instruct-2407 (v3), Mistral-Small-3.2-24B-Instruct-2506 (v11) and
Ministral-3-14B-Reasoning-2512 (v13); mistral-common's tokenizers of these versions.
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
WITH_ID = FramedWay(_FRAME, HeaderCalls(between=("[ARGS]",), seps=("[ARGS]",), id_open="[CALL_ID]"))
HEADER = FramedWay(_FRAME, HeaderCalls())
LISTED = FramedWay(Frame(open="[TOOL_CALLS]"), JsonCalls(call_id="id", listed=True))

_NAMES = ("ministral", "devstral", "magistral")
DIALECT = FramedDialect("mistral", (NEWEST, WITH_ID, HEADER, LISTED), _NAMES, short_id)
V11 = FramedDialect("mistral_v11", (WITH_ID, NEWEST, HEADER, LISTED), new_id=short_id)
V3 = FramedDialect("mistral_v3", (LISTED, WITH_ID, NEWEST, HEADER), new_id=short_id)
