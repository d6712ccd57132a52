"""Keeps markers that clients write from becoming the tokens that only the template may write.

A tokenizer turns the letters `<|im_end|>` into the token of that name wherever they stand, so a web page that a tool
has fetched could end the user's turn. Before rendering, a private character is put into each such text of a client;
after it, the prompt is cut there and the pieces are encoded apart, so that the marker comes out as plain letters. A
conversation without such text takes the plain way, with the same ids as ever.
"""

import re
from collections.abc import Callable, Collection
from typing import Any

from tokenizers import Tokenizer

_GUARDS = [chr(c) for c in range(0xFDD0, 0xFDF0)]  # noncharacters: never in real text


class MarkerGuard:
    """`template`: the text of the chat template. `kept`: markers that an assistant's turn may contain as they are.

    Markers are the added tokens that are special, look like `<|x|>`, or stand in the template as `<x>` or `[x]`. Other
    added tokens (Gemma has runs of newlines and HTML tags among them) are ordinary text.
    """

    def __init__(self, tokenizer: Tokenizer, template: str, kept: Collection[str]) -> None:
        added = tokenizer.get_added_tokens_decoder().values() if _pieces_join(tokenizer) else ()
        usable = [t.content for t in added if len(t.content) > 1 and (t.special or _is_marker(t.content, template))]
        self._all = _any_of(usable)
        self._strict = _any_of([m for m in usable if m not in kept])

    def protect(self, messages: list[Any], tools: list[Any] | None) -> tuple[list[Any], list[Any] | None, str]:
        """The same with guards, and the guard, which is empty if nothing needed one."""
        texts = [*_texts(messages), *_texts(tools)]
        if not any(self._all.search(text) for text in texts):
            return messages, tools, ""
        guard = next((g for g in _GUARDS if not any(g in text for text in texts)), _GUARDS[0])
        guarded = [_map(m, self._guarding(m["role"], guard)) for m in messages]
        return guarded, _map(tools, self._guarding("tools", guard)), guard

    def _guarding(self, role: str, guard: str) -> Callable[[str], str]:
        pattern = self._strict if role == "assistant" else self._all
        return lambda text: pattern.sub(lambda m: m.group()[0] + guard + m.group()[1:], text)

    @staticmethod
    def pieces(prompt: str, guard: str) -> list[str]:
        """The texts that are encoded apart."""
        return prompt.split(guard) if guard else [prompt]


def _is_marker(text: str, template: str) -> bool:
    if text.startswith("<|") and text.endswith("|>"):
        return True
    return text in template and (text[0] + text[-1]) in ("<>", "[]")


def _any_of(texts: Collection[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or r"(?!)")


def _pieces_join(tokenizer: Tokenizer) -> bool:
    """Whether pieces encoded apart decode to the whole: not where a space is put before every piece."""
    ids = [i for piece in ("a<", "|b", "c") for i in tokenizer.encode(piece, add_special_tokens=False).ids]
    return bool(tokenizer.decode(ids, skip_special_tokens=False) == "a<|bc")


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *_texts(item))]
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []


def _map(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_map(key, change): _map(item, change) for key, item in value.items()}
    return [_map(item, change) for item in value] if isinstance(value, list) else value
