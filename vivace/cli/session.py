"""One conversation: what was said, what is asked next, and the answer on the terminal as it comes."""

import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from vivace.chat.events import TextDelta
from vivace.cli.client import Client, Done
from vivace.cli.errors import CliError
from vivace.cli.terminal import AnswerPrinter, note


@dataclass
class Session:
    """`sampling`: fields of the request that stay the same. `first_s`: until the last answer's first piece."""

    client: Client
    model: str
    system: str | None = None
    thinking: bool | None = None
    sampling: dict[str, Any] = field(default_factory=dict)
    turns: list[dict[str, str]] = field(default_factory=list)
    last: Done | None = None
    first_s: float = 0.0

    def ask(self, question: str) -> bool:
        """Print the answer and keep both; False if Ctrl-C stopped it. A question without any answer is dropped.

        Raises:
            CliError: the server could not answer.
        """
        self.turns.append({"role": "user", "content": readable(question)})
        said: list[str] = []
        try:
            return self._print_answer(said)
        finally:
            if said:
                self.turns.append({"role": "assistant", "content": "".join(said)})
            else:
                self.turns.pop()

    def _print_answer(self, said: list[str]) -> bool:
        printer = AnswerPrinter()
        try:
            self._stream(printer, said)
        except KeyboardInterrupt:
            printer.finish()
            note("(stopped)")
            return False
        except CliError:
            if said:
                printer.finish()
            raise
        printer.finish()
        if self.last and self.last.reason == "length":
            note("(the limit of tokens ended this answer)")
        return True

    def _stream(self, printer: AnswerPrinter, said: list[str]) -> None:
        began, self.first_s = time.monotonic(), 0.0
        with closing(self.client.answer(self._body())) as pieces:
            for piece in pieces:
                self.first_s = self.first_s or time.monotonic() - began
                if isinstance(piece, Done):
                    self.last = piece
                    continue
                printer.show(piece)
                if isinstance(piece, TextDelta):
                    said.append(piece.text)

    def _body(self) -> dict[str, Any]:
        system = [{"role": "system", "content": self.system}] if self.system else []
        body = {"model": self.model, "messages": [*system, *self.turns], **self.sampling}
        return body if self.thinking is None else {**body, "enable_thinking": self.thinking}


def readable(text: str) -> str:
    """With U+FFFD for bytes of stdin or of an argument that are no UTF-8, which Python hands on as half surrogates."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
