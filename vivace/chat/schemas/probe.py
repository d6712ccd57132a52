"""What llguidance says of a schema."""

import json
from functools import lru_cache
from typing import Any

# Between values. Within these bounds models write JSON as they learnt it, and cannot fill an answer with blanks.
ANY_SPACE = r"[ \n\t]{0,40}"
# As serialisers write: models see nothing else in calls, and small ones lose their way behind newlines and indentation.
SINGLE_SPACES = "[ ]?"


def document(schema: Any, space: str = ANY_SPACE) -> str:
    """The text of a schema for llguidance's `%json`."""
    style = {"lenient": True, "whitespace_pattern": space}
    return json.dumps({**(schema if isinstance(schema, dict) else _of_bool(schema)), "x-guidance": style})


def _of_bool(schema: Any) -> dict[str, Any]:
    return {} if schema is not False else {"anyOf": [False]}


def verdict(source: str) -> tuple[bool, tuple[str, ...]]:
    """Whether llguidance refuses the document, and its error or warnings."""
    from llguidance import LLMatcher

    failed, messages = LLMatcher.validate_grammar_with_warnings(f"start: %json {source}")
    return failed, tuple(messages)


def refuses(schema: Any) -> bool:
    return verdict(document(schema))[0]


@lru_cache(1024)
def knows_format(name: str) -> bool:
    return verdict(document({"type": "string", "format": name})) == (False, ())


@lru_cache(1024)
def knows_pattern(pattern: str) -> bool:
    return not refuses({"type": "string", "pattern": pattern})


@lru_cache(1024)
def knows_terminal(expression: str) -> bool:
    """Whether llguidance takes a lark expression as a terminal."""
    from llguidance import LLMatcher

    return not LLMatcher.validate_grammar_with_warnings(f"start: KNOWN\nKNOWN: {expression}")[0]


def disjoint(options: list[Any]) -> bool:
    """Whether llguidance can prove that no instance fits two of the schemas, which must hold no references."""
    return verdict(document({"oneOf": options})) == (False, ())
