"""Answers on the terminal: thinking dimmed; plain text, and only the answer, when stdout is no terminal."""

import os
import re
import sys
from typing import TextIO

from vivace.chat.events import ReasoningDelta, TextDelta

DIM, RESET = "\x1b[2m", "\x1b[0m"
# A model must not be able to move the cursor, set the title or write the clipboard.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def note(text: str) -> None:
    """A remark of ours, apart from the answer."""
    print(_dimmed(text, sys.stderr), file=sys.stderr, flush=True)


def size(nbytes: float) -> str:
    """Bytes as people read them."""
    unit, name = next((u, n) for u, n in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")) if nbytes >= u or u == 1)
    return f"{nbytes / unit:.3g} {name}"


def printable(text: str) -> str:
    """Text from a model or of a stranger's prompt, without what could take hold of the terminal."""
    return _CONTROL.sub("", text)


class AnswerPrinter:
    """Prints the deltas of one answer as they come."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._to_terminal = self._out.isatty()
        self._dim, self._reset = (DIM, RESET) if _styled(self._out) else ("", "")
        self._kind: type[ReasoningDelta | TextDelta] | None = None
        self._last = ""

    def show(self, delta: ReasoningDelta | TextDelta) -> None:
        if not self._to_terminal:
            self._write(delta.text if isinstance(delta, TextDelta) else "")
            return
        text = printable(delta.text)
        if type(delta) is not self._kind:
            text = text.lstrip("\n")
        if text:
            self._begin(type(delta))
            self._write(text)

    def finish(self) -> None:
        """End the last line."""
        self._end_thinking()
        if self._last != "\n":
            self._write("\n")

    def _begin(self, kind: type[ReasoningDelta | TextDelta]) -> None:
        if kind is self._kind:
            return
        self._end_thinking()
        if self._kind is not None:
            self._write("\n" if self._last == "\n" else "\n\n")
        self._kind = kind
        self._out.write(self._dim if kind is ReasoningDelta else "")

    def _end_thinking(self) -> None:
        self._out.write(self._reset if self._kind is ReasoningDelta else "")

    def _write(self, text: str) -> None:
        self._last = text[-1:] or self._last
        self._out.write(text)
        self._out.flush()


def _styled(out: TextIO) -> bool:
    return out.isatty() and not os.environ.get("NO_COLOR")


def _dimmed(text: str, out: TextIO) -> str:
    return f"{DIM}{text}{RESET}" if _styled(out) else text


def bold_prompt(text: str) -> str:
    """For `input`: the marks \\x01 and \\x02 tell readline what takes no room on the line."""
    return f"\x01\x1b[1m\x02{text}\x01{RESET}\x02" if _styled(sys.stdout) else text
