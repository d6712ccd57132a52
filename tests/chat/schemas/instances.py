"""Whether a held schema lets an instance be written."""

import json
from functools import lru_cache
from typing import Any

from llguidance import LLMatcher, LLTokenizer

from vivace.chat.schemas import Held


@lru_cache(1)
def byte() -> Any:
    return LLTokenizer("byte")


def allows(held: Held, instance: Any) -> bool:
    """Keys in the order that the instance has them."""
    matcher = LLMatcher(byte(), f"start: %json {held.source}", log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    ids = byte().tokenize_bytes(json.dumps(instance, ensure_ascii=False).encode())
    return bool(matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting())
