"""Reads one JSON value in pieces and writes it as valid JSON, whatever it looked like.

Valid JSON comes out as it went in, character by character. Degraded JSON is mended: trailing and missing commas, single
quotes, Python literals, bare words, numbers that JSON does not know, raw control characters, wrong escapes and
unescaped quotes in strings (json_string.py), missing or mismatched closers. `repaired` then says so.

Cost is linear, and nesting costs no stack.
"""

import copy
import re

from vivace.chat.dialects.json_output import JsonOutput, literal_json
from vivace.chat.dialects.json_string import JsonString
from vivace.chat.dialects.values import quote

_BARE = re.compile(r"[^\s,:\[\]{}()\"']+")
MENDED = "the JSON was not well-formed"


class JsonScanner:
    """
    Attributes:
        done: the value is complete; nothing more is consumed.
        in_string: a closer in the text would be part of a string.
        repaired: the JSON was mended.
    """

    def __init__(self, literal: bool = False, enclosed: bool = False, bare: bool = False) -> None:
        """`literal`: a Python literal is as it should be; `bare`: so are words without quotes. `enclosed`: a comma or a
        bracket follows, which tells the quote that ends the value from one within."""
        self._is_literal, self._is_enclosed, self._may_be_bare = literal, enclosed, bare
        self.done = False
        self.repaired: str | None = None
        self._state = "value"  # the method _on_… that takes what comes next
        self._out = JsonOutput()
        self._held: list[str] = []  # of a key, a bare word or an escape
        self._is_key = False  # what is read now is a key
        self._string: JsonString | None = None

    @property
    def in_string(self) -> bool:
        return self._string is not None and self._string.is_inside

    @property
    def in_raw(self) -> bool:
        """Within a string that a marker has begun; see `mark`."""
        return self._string is not None and self._string.is_raw

    @property
    def in_value(self) -> bool:
        """Within a string, or behind a quote that may have ended it."""
        return self._string is not None

    def stride(self, text: str) -> int:
        """How far `text` can be fed before `in_value` may change."""
        if self._string is None or not self._string.is_inside:
            return 1
        return text.find(self._string.mark) + 1 or len(text)

    def fork(self) -> "JsonScanner":
        """The same state, on its own from now on; nothing is waiting to be drained."""
        other = copy.copy(self)
        other._out, other._held = self._out.fork(), self._held[:]
        other._string = copy.deepcopy(self._string)
        return other

    def feed(self, text: str) -> tuple[str, int]:
        """The JSON that is certain now, and how many characters belong to the value."""
        at = 0
        while at < len(text) and not self.done:
            at = getattr(self, f"_on_{self._state}")(text, at)
        return self._out.drain(), at

    def mark(self, text: str, certain: bool) -> str:
        """A marker that stands for a quote: what is between two of them is taken as it is. `certain`: it cannot be part
        of the string."""
        if self._string is None:
            self._begin_raw(text)
        else:
            self._string.end(text, certain)
            self._after_piece(self._string)
        return self._out.drain()

    def _begin_raw(self, mark: str) -> None:
        if self._state == "bare":
            self._end_bare()
        if self._state == "after":
            self._after_value('"')
        if self._state == "colon":
            self._mend()
            self._out.key += ":"
        self._begin_string(mark, self._state == "key", raw=True)

    def finish(self) -> str:
        """The rest of the value's JSON, at the end of the output or before a marker that ends the call."""
        if not self.done:
            self._end_all()
        return self._out.drain()

    def _end_all(self) -> None:
        self._mend()
        self._finish_token()
        if self._out.is_drained and not self._out.stack and self._state == "value":
            self._out.write("null")
        self._out.close_all()
        self.done = True

    def _finish_token(self) -> None:
        if self._string is not None and not self._is_key:
            self._out.write(self._string.drain() + '"')
        elif self._state == "bare" and not self._is_key:
            self._end_bare()

    def _mend(self) -> None:
        self.repaired = MENDED

    # A value

    def _on_value(self, text: str, at: int) -> int:
        char = text[at]
        if char.isspace():
            return self._out.space(text, at)
        if char in "{[(":
            char = "{" if char == "{" else "["
            self._out.open(char)
            self._state = "key" if char == "{" else "value"
            return at + 1
        if char in "\"'":
            self._begin_string(char, False)
            return at + 1
        if char in ")]},:":
            return self._no_value(char, at)
        self._begin_bare(False)
        return at

    def _no_value(self, char: str, at: int) -> int:
        """A value was due: an empty array, a comma too many, or a key without a value."""
        if self._out.key and char != ":":
            self._mend()
            self._out.begin("null")
            self._state = "after"
            return at
        if char in ")]}":
            return self._close(char, at)
        self._mend()
        return at + 1

    def _on_member(self, text: str, at: int) -> int:
        """The value behind a key's colon."""
        return self._on_value(text, at)

    def _on_after(self, text: str, at: int) -> int:
        char = text[at]
        if char.isspace():
            return self._out.space(text, at)
        if char == ",":
            if self._out.comma:
                self._mend()
            self._out.comma = self._out.comma or ","
            self._state = "key" if self._out.stack[-1] == "{" else "value"
            return at + 1
        if char in ")]}":
            return self._close(char, at)
        return self._after_value(char, text, at)

    def _after_value(self, char: str, text: str = "", at: int = 0) -> int:
        """A comma is missing, or something does not belong here."""
        self._mend()
        if char in "\"'{[":
            self._out.comma = ","
            self._state = "key" if self._out.stack[-1] == "{" else "value"
            return at
        match = _BARE.match(text, at)
        return match.end() if match else at + 1

    def _close(self, char: str, at: int) -> int:
        """A closer; those that it shows to be missing are added, one that has no opener is not part of the value."""
        opener = "{" if char == "}" else "["
        if self._out.comma and not self._is_literal:
            self._mend()
        if opener not in self._out.stack:
            self._end_all()
            return at
        if not self._out.close(opener):
            self._mend()
        self._ended()
        return at + 1

    def _ended(self) -> None:
        self._state, self.done = "after", not self._out.stack

    # A key

    def _on_key(self, text: str, at: int) -> int:
        char = text[at]
        if char.isspace():
            return self._out.space(text, at)
        if char in "\"'":
            self._begin_string(char, True)
            return at + 1
        if char == "}":
            return self._close(char, at)
        if char in "],:{[":
            self._mend()
            return self._close(char, at) if char == "]" else at + 1
        self._begin_bare(True)
        return at

    def _on_colon(self, text: str, at: int) -> int:
        char = text[at]
        if char.isspace():
            return self._out.space(text, at)
        if char in "},":
            self._out.key += ":"
            return self._no_value(char, at)
        self._state = "member"
        if char in ":=":
            self._out.key += ":"
            return at + 1
        self._mend()
        self._out.key += ":"
        return at

    def _end_key(self, key: str) -> None:
        self._out.key, self._held, self._state = f'"{key}"', [], "colon"

    # A string

    def _begin_string(self, mark: str, is_key: bool, raw: bool = False) -> None:
        if mark == "'" and not self._is_literal:
            self._mend()
        if not is_key:
            self._out.begin('"')
        looks_ahead = not is_key and (self._is_enclosed or bool(self._out.stack))
        self._string = JsonString(mark, looks_ahead, self._is_literal, raw)
        self._is_key, self._state, self._held = is_key, "string", []

    def _on_string(self, text: str, at: int) -> int:
        string = self._string
        assert string is not None
        at = string.take(text, at)
        self._after_piece(string)
        return at

    def _after_piece(self, string: JsonString) -> None:
        if string.mended:
            self._mend()
        (self._held.append if self._is_key else self._out.write)(string.drain())
        if not string.done:
            return
        self._string = None
        if self._is_key:
            self._end_key("".join(self._held))
            return
        self._out.write('"')
        self._ended()
        if string.space:
            self._out.space(string.space, 0)

    # Numbers, literals and bare words

    def _begin_bare(self, is_key: bool) -> None:
        self._is_key, self._held, self._state = is_key, [], "bare"

    def _on_bare(self, text: str, at: int) -> int:
        match = _BARE.match(text, at)
        if match:
            self._held.append(match.group())
            return match.end()
        self._end_bare()
        return at

    def _end_bare(self) -> None:
        word, self._held = "".join(self._held), []
        if self._is_key:
            if not self._may_be_bare:
                self._mend()
            self._end_key(quote(word))
            return
        value = literal_json(word)
        if value != word and not (self._may_be_bare if value.startswith('"') else self._is_literal):
            self._mend()
        self._out.begin(value)
        self._ended()
