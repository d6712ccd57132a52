"""Where in the prose we are: at the start of a line, in inline code, in a fence."""

import copy
import re

_FENCE = re.compile(r" {0,3}(```|~~~)")


class CodeContext:
    """Follows text in any pieces; keeps no more than the beginning of the current line."""

    def __init__(self) -> None:
        self._fence = ""
        self._head = ""  # beginning of the current line, enough to see a fence
        self._ticks = 0

    @property
    def at_line_start(self) -> bool:
        return not self._fence and not self._head.strip()

    @property
    def in_code(self) -> bool:
        return bool(self._fence) or self._ticks % 2 == 1

    def in_code_behind(self, text: str) -> bool:
        """Whether what follows `text`, which is not fed yet, is in code."""
        if "`" not in text:
            return self.in_code
        after = copy.copy(self)
        after.feed(text)
        return after.in_code

    def feed(self, text: str) -> None:
        lines = text.split("\n")
        self._extend(lines[0])
        for line in lines[1:]:
            self._end_line()
            self._extend(line)

    def _extend(self, text: str) -> None:
        if len(self._head) < 16 or not self._head.strip():
            self._head = (self._head + text).lstrip(" \t")[:16] if not self._head.strip() else self._head + text[:16]
        self._ticks += text.count("`")

    def _end_line(self) -> None:
        fence = _FENCE.match(self._head)
        if fence and not self._fence:
            self._fence = fence.group(1)
        elif fence and self._fence == fence.group(1):
            self._fence = ""
        self._head, self._ticks = "", 0
