"""Token ids to text, one id at a time, as `Tokenizer.decode(ids)` would decode the whole: no id is decoded twice.

One difference is deliberate: in a run of `<0x..>` byte tokens that is not valid UTF-8, `decode` replaces the whole run,
which cannot be known before the run ends. Here only the invalid bytes become U+FFFD.
"""

import codecs
import json
import re
from typing import Any

from tokenizers import Tokenizer

from vivace.chat.dialects.base import Piece
from vivace.chat.facts import CheckpointError

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's byte-level alphabet: printable Latin-1 stands for itself, the other bytes for U+0100 and on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in set(printable)]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}


_ALPHABET = _byte_alphabet()


class TokenTable:
    """Bytes of every token of one tokenizer. `markers`: texts whose tokens are passed on as marker pieces."""

    def __init__(self, tokenizer: Tokenizer, markers: frozenset[str] = frozenset()) -> None:
        """
        Raises:
            CheckpointError: the tokenizer's decoder is of a kind that language models do not use.
        """
        self._tokenizer = tokenizer
        self._steps, self.strip = _steps(tokenizer)
        added = tokenizer.get_added_tokens_decoder()
        self.markers = {i: token.content for i, token in added.items() if token.content in markers}
        self._dropped = frozenset(i for i, token in added.items() if token.special and token.content not in markers)
        self._first_differs = any(step["type"] == "Metaspace" for step in self._steps)
        self._bytes: dict[int, bytes] = {}

    def bytes_of(self, token: int, first: bool = False) -> bytes:
        """What `token` adds to the text; nothing for a special token or an id that the vocabulary lacks.

        `first`: it is the first of the text, where some tokenizers drop a leading space.
        """
        if first and self._first_differs:
            return self._decode(token, True)
        known = self._bytes.get(token)
        if known is None:
            known = self._bytes[token] = self._decode(token, False)
        return known

    def name_of(self, token: int) -> str:
        """How the vocabulary writes `token`, special ones too."""
        return self._tokenizer.id_to_token(token) or ""

    def _decode(self, token: int, first: bool) -> bytes:
        text = None if token in self._dropped else self._tokenizer.id_to_token(token)
        if text is None:
            return b""
        for step in self._steps:
            match step["type"]:
                case "ByteLevel":
                    return _from_alphabet(text)
                case "ByteFallback" if byte := _BYTE_TOKEN.fullmatch(text):
                    return bytes([int(byte.group(1), 16)])
                case "Replace":
                    text = text.replace(step["pattern"]["String"], step["content"])
                case "Metaspace":
                    drop = first and step.get("prepend_scheme", "always") != "never"
                    text = text.replace(step["replacement"], "" if drop else " ")
        return text.encode("utf-8", "replace")


def _from_alphabet(text: str) -> bytes:
    values = [_ALPHABET.get(char) for char in text]
    return bytes(v for v in values if v is not None) if None not in values else text.encode("utf-8", "replace")


def _steps(tokenizer: Tokenizer) -> tuple[list[dict[str, Any]], tuple[str, int]]:
    """The decoder's steps per token, and (character, count) that is stripped from the start of the text."""
    decoder: dict[str, Any] = json.loads(tokenizer.decoder.__getstate__()) if tokenizer.decoder else {"type": "none"}
    steps: list[dict[str, Any]] = decoder["decoders"] if decoder["type"] == "Sequence" else [decoder]
    kept: list[dict[str, Any]] = []
    strip = ("", 0)
    for step in steps:
        if step["type"] == "Strip" and not step["stop"]:
            strip = (step["content"], step["start"])
        elif step["type"] != "Fuse":
            kept.append(_supported(step))
    return kept, strip


def _supported(step: dict[str, Any]) -> dict[str, Any]:
    plain_replace = step["type"] == "Replace" and "String" in step["pattern"]
    if plain_replace or step["type"] in ("ByteLevel", "ByteFallback", "Metaspace"):
        return step
    raise CheckpointError(
        f"tokenizer.json: its decoder has a step {step['type']!r} that Vivace does not know. Language models use "
        "ByteLevel, or Replace, ByteFallback and Strip."
    )


class Detokenizer:
    """State of one text: at most 3 bytes of an unfinished character."""

    def __init__(self, table: TokenTable) -> None:
        self._table = table
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._strip_char, self._strip = table.strip
        self._first = True

    def feed(self, token: int) -> list[Piece]:
        """The text that `token` completes, and the token itself if it is a marker; no piece is empty."""
        marker = self._table.markers.get(token)
        if marker is not None:
            before = self._pieces(self._decoder.decode(b"", True))
            self._first, self._strip = False, 0  # it stands at the start of the text: what follows does not
            return [*before, Piece(marker, True)]
        data = self._table.bytes_of(token, self._first)
        self._first = self._first and not data and not self._table.bytes_of(token)
        return self._pieces(self._decoder.decode(data))

    @property
    def held(self) -> bool:
        """Bytes of an unfinished character are held."""
        return bool(self._decoder.getstate()[0])

    def finish(self) -> list[Piece]:
        """An unfinished character is U+FFFD."""
        return self._pieces(self._decoder.decode(b"", True))

    def _pieces(self, text: str) -> list[Piece]:
        while self._strip and text:
            if text[0] != self._strip_char:
                self._strip = 0
                break
            text, self._strip = text[1:], self._strip - 1
        return [Piece(text)] if text else []
