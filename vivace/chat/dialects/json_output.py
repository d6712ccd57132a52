"""What is written of a JSON value while it is read: valid JSON as soon as what is open is closed.

Commas and keys are held back until a value follows them, so that what was written can be closed at any time.
"""

import ast
import copy
import json
import re
from contextlib import suppress

from vivace.chat.dialects.values import quote

_SPACE = re.compile(r"[ \t\r\n]+")
_ODD_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_PYTHON_NUMBER = re.compile(r"[-+]?[\d._xXoObBa-fA-F]+([eE][-+]?\d+)?")
_WORDS = {"true": "true", "false": "false", "null": "null", "True": "true", "False": "false", "None": "null"}
_CLOSERS = {"{": "}", "[": "]"}


class JsonOutput:
    """
    Attributes:
        stack: the openers of the objects and lists that are open.
        comma: a comma and white space, held back until something follows.
        key: a whole key, its colon and white space, held back until its value begins.
    """

    def __init__(self) -> None:
        self.stack: list[str] = []
        self.comma = ""
        self.key = ""
        self._out: list[str] = []

    def fork(self) -> "JsonOutput":
        """The same state, on its own from now on; nothing is waiting to be drained."""
        other = copy.copy(self)
        other.stack, other._out = self.stack[:], []
        return other

    @property
    def is_drained(self) -> bool:
        """Nothing was written since."""
        return not self._out

    def drain(self) -> str:
        """What was written and not drained yet."""
        out, self._out = "".join(self._out), []
        return out

    def write(self, text: str) -> None:
        """Goes on within a value."""
        self._out.append(text)

    def begin(self, text: str) -> None:
        """Begins a value, with the comma and the key that belong before it."""
        self._out.append(self.comma + self.key + text)
        self.comma = self.key = ""

    def open(self, opener: str) -> None:
        self.begin(opener)
        self.stack.append(opener)

    def close(self, opener: str) -> bool:
        """Closes the innermost object or list that began so, and first what is open in it; whether nothing was."""
        self._out.append(self.comma[1:])
        self.comma = ""
        inner = self.stack[::-1].index(opener)
        self._out += [_CLOSERS[self.stack.pop()] for _ in range(inner + 1)]
        return inner == 0

    def close_all(self) -> None:
        """Drops what is held back."""
        self.comma = self.key = ""
        self._out += [_CLOSERS[opener] for opener in reversed(self.stack)]
        self.stack = []

    def space(self, text: str, at: int) -> int:
        """Behind the white space at `at`, which goes out as it is, or as a blank where JSON knows it not."""
        match = _SPACE.match(text, at) or _ODD_SPACE.match(text, at)
        assert match is not None
        space = match.group() if _SPACE.fullmatch(match.group()) else " "
        if self.key:
            self.key += space
        elif self.comma:
            self.comma += space
        elif self.stack:
            self._out.append(space)
        return match.end()


def literal_json(word: str) -> str:
    """The JSON of a number or literal of JSON or Python; anything else becomes a string."""
    if word in _WORDS:
        return _WORDS[word]
    if _NUMBER.fullmatch(word):
        return word
    if _PYTHON_NUMBER.fullmatch(word) and len(word) < 400:
        with suppress(ValueError, SyntaxError, TypeError):  # a leading zero, an overflow: no number after all
            return json.dumps(ast.literal_eval(word), allow_nan=False)
    return f'"{quote(word)}"'
