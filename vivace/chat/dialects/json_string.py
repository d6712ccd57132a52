"""Reads one string of JSON, or of something like it, in pieces, and writes the inside of a valid JSON string.

An inner quote that was not escaped is told from the closing one by what follows: a value ends before `,`, `}`, `]` or
the end. Raw control characters, Python's escapes and wrong ones are mended.
"""

import re

from vivace.chat.dialects.values import quote

_RUN = {'"': re.compile('[^"\\\\\x00-\x1f\ud800-\udfff]+'), "'": re.compile("[^'\"\\\\\x00-\x1f\ud800-\udfff]+")}
_SPACE = re.compile(r"\s+")
_HEX = "0123456789abcdefABCDEF"
_HEX_LENGTHS = {"x": 2, "u": 4, "U": 8}


class JsonString:
    """
    Attributes:
        mark: what ends it: a quote, or the text of a marker.
        done: the end has come; `space`: the white space that was read behind it.
        mended: it was not written as JSON has it.
    """

    def __init__(self, mark: str, looks_ahead: bool, literal: bool = False, raw: bool = False) -> None:
        """`looks_ahead`: a quote ends it only if what follows agrees. `literal`: Python's escapes are right.
        `raw`: everything is taken as it is, and a marker ends it; see `end`."""
        self.mark, self.done, self.mended, self.space = mark, False, False, ""
        self._looks_ahead, self._literal, self._raw = looks_ahead, literal, raw
        self._state = "raw" if raw else "run"
        self._out: list[str] = []
        self._held = ""  # digits of an escape, or white space behind a quote

    @property
    def is_raw(self) -> bool:
        """Inside, and whatever comes but a marker is part of it."""
        return self._state == "raw"

    @property
    def is_inside(self) -> bool:
        """Inside, and a quote may end it."""
        return self._state in ("run", "escape", "digits")

    def drain(self) -> str:
        """What is certain and was not drained yet."""
        out, self._out = "".join(self._out), []
        return out

    def take(self, text: str, at: int) -> int:
        """Goes on at `at`; returns how far."""
        step: int = getattr(self, f"_in_{self._state}")(text, at)
        return step

    def end(self, mark: str, certain: bool) -> None:
        """A marker that stands for a quote; `certain`: it cannot be part of the string."""
        if self._state == "behind":
            self._out.append(quote(self.mark + self._held))
        self.mark, self._held = mark, ""
        self._state, self.done = "behind", certain or not self._looks_ahead

    def _in_raw(self, text: str, at: int) -> int:
        self._out.append(quote(text[at:]))
        return len(text)

    def _in_run(self, text: str, at: int) -> int:
        run = _RUN[self.mark].match(text, at)
        if run:
            self._out.append(run.group())
            return run.end()
        char = text[at]
        if char == self.mark:
            self._state, self._held, self.done = "behind", "", not self._looks_ahead
        elif char == "\\":
            self._state = "escape"
        else:
            self._out.append(quote(char))
            self.mended = self.mended or char < " "
        return at + 1

    def _in_behind(self, text: str, at: int) -> int:
        """Behind a quote."""
        space = _SPACE.match(text, at)
        if space:
            self._held += space.group()
            return space.end()
        char = text[at]
        fence = char == "`" and "\n" in self._held
        if char in ",}])" or fence or (char in "\"'" and self._held):
            self.done, self.space = True, self._held
            return at
        self._out.append(quote(self.mark + self._held))
        self._state = "raw" if self._raw else "run"
        self.mended = self.mended or not self._raw
        return at

    def _in_escape(self, text: str, at: int) -> int:
        char = text[at]
        self._state = "run"
        if char in '"\\/bfnrt':
            self._out.append("\\" + char)
        elif char in _HEX_LENGTHS:
            self._state, self._held = "digits", char
        else:
            self.mended = self.mended or not (self._literal and char == "'")
            self._out.append(quote(char if char in "'\n" else "\\" + char))
        return at + 1

    def _in_digits(self, text: str, at: int) -> int:
        """The digits of `\\uXXXX`, or of Python's `\\xXX` and `\\UXXXXXXXX`."""
        if text[at] not in _HEX:
            self.mended = True
            self._out.append("\\\\" + self._held)
            self._state = "run"
            return at
        self._held += text[at]
        kind, digits = self._held[0], self._held[1:]
        if len(digits) == _HEX_LENGTHS[kind]:
            code = int(digits, 16)
            self.mended = self.mended or (kind != "u" and not self._literal)
            self._out.append(f"\\u{digits}" if kind == "u" else quote(chr(code) if code < 0x110000 else "\ufffd"))
            self._state = "run"
        return at + 1
