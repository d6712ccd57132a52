"""What every dialect is made of: pieces of output, and the two interfaces that the rest of chat/ relies on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import uuid4

from vivace.chat.conversation import Tool
from vivace.chat.events import Event
from vivace.chat.schemas.words import Path

UNDECIDED_LIMIT = 65_536  # characters that may be held back while it is open what they are
Channel = Literal["reasoning", "content"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of output. `marker`: it is one token of the vocabulary that a dialect declares as its marker.

    Dialects that declare a marker which is such a token recognise it only as that token (`marker` True); the same
    letters in a plain piece stay text.
    """

    text: str
    marker: bool = False


class ToolParser(Protocol):
    """Turns visible output into text and calls, whatever the pieces it arrives in."""

    @property
    def busy(self) -> bool:
        """Inside a call, or holding back what may become one."""

    @property
    def called(self) -> int:
        """Calls begun so far."""

    @property
    def at_line_start(self) -> bool:
        """Nothing but white space on this line of prose so far, and not inside a code fence."""

    @property
    def held(self) -> bool:
        """Characters are held back, undecided, or a call is going on."""

    def feed(self, piece: Piece) -> list[Event]:
        """The events that became certain with this piece."""

    def finish(self, cut: bool = False) -> list[Event]:
        """What was held back: as text, or as the end of a call. `cut`: the token limit ended the output."""


class ReasoningParser(Protocol):
    """Separates reasoning from visible output."""

    @property
    def reasoning(self) -> bool:
        """Inside a reasoning block now."""

    @property
    def held(self) -> bool:
        """Characters are held back, undecided."""

    def keep(self, sink: Callable[[Piece], None]) -> None:
        """Hands every piece of reasoning to `sink` as well."""

    def feed(self, piece: Piece, tools: ToolParser) -> list[Event]:
        """The events of this piece; visible output goes through `tools`, in whose calls no opener counts."""

    def finish(self, tools: ToolParser) -> list[Event]:
        """What was held back."""


class ToolDialect(Protocol):
    """How a family writes calls: a declaration from which the parser and the grammar come."""

    @property
    def name(self) -> str:
        """The key in the registry."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names that people know the family by."""

    @property
    def markers(self) -> tuple[str, ...]:
        """Texts that count only as one token where the vocabulary has them as one token."""

    def parser(self, tools: Sequence[Tool], tokens: frozenset[str]) -> ToolParser:
        """A parser for one answer. `tokens`: those markers that are one token each; empty where only text is known."""

    @property
    def trigger(self) -> str:
        """The text that begins the calls of a turn, empty if nothing does."""

    def call_rule(self, writer: "RuleWriter", tool: Tool) -> str:
        """Name of the grammar rule of one call of `tool`."""

    def calls_rule(self, writer: "RuleWriter", call: str, many: bool) -> str:
        """The lark expression of all calls of a turn, or of one; `call`: the rule of any call."""

    def mixed_rule(
        self, writer: "RuleWriter", tools: Sequence[Tool], many: bool, reasoning: "ReasoningDialect"
    ) -> str | None:
        """The lark expression of an answer that may hold calls, each by its schema. None, and a note, if that cannot be
        held."""


class ReasoningDialect(Protocol):
    """How a family writes reasoning."""

    @property
    def name(self) -> str:
        """The key in the registry."""

    @property
    def markers(self) -> tuple[str, ...]:
        """See `ToolDialect.markers`."""

    @property
    def closer(self) -> str:
        """What ends reasoning, or an empty text if there is no reasoning."""

    @property
    def closers(self) -> tuple[str, ...]:
        """All that may end it, `closer` first."""

    @property
    def opener(self) -> str:
        """What begins reasoning."""

    @property
    def resume(self) -> str:
        """What must stand between reasoning and what follows it."""

    @property
    def answer_open(self) -> str:
        """What must stand before an answer that is no call."""

    def open_in(self, prompt: str) -> bool:
        """Whether the rendered prompt ends inside reasoning."""

    def closer_in(self, prompt: str) -> str:
        """What ends the reasoning that the prompt begins, or any."""

    def parser(self, is_open: bool, tokens: frozenset[str]) -> ReasoningParser:
        """A parser for one answer; `is_open`: the prompt opened reasoning already."""


class RuleWriter(Protocol):
    """What `ToolDialect.call_rule` writes its lark rules with (chat/grammar.py)."""

    def rule(self, prefix: str, body: str, attributes: str = "") -> str:
        """Adds a rule and returns its name."""

    def shared(self, key: str, body: Callable[[str], str]) -> str:
        """The rule of this key, written at its first use; `body` gets its name, since it may refer to itself."""

    def text(self, text: str) -> str:
        """The expression for exactly this text, with markers as tokens where the vocabulary has them."""

    def is_spelled(self, text: str) -> bool:
        """No part of this text is a token of its own."""

    def tokens_but(self, *texts: str) -> str:
        """The expression for one token that no text is made of, and none of those in these texts; may be empty."""

    def free(self, end: str, terminal: str = "/(?s:.*)/") -> str:
        """The expression for any text, or one that fits a lark terminal, up to and with `end`."""

    def json(self, schema: object, root: object, inner: object = None, path: Path | None = None) -> str:
        """The expression for JSON of this schema, with what it refers to taken from `root`. `inner`: the schema of the
        request that became a property of `schema`, which reports of what is not held speak of. `path`: where in `root`
        the schema stands, if not at the top or among its properties.

        Objects have the declared properties only, and nothing but single spaces stands between values.
        """

    def relax(self, note: str, root: object = None, path: Path = ()) -> None:
        """Reports what the grammar does not hold: of the schema at `path` in `root`, one of the request."""


def new_call_id() -> str:
    """An id that no other call has."""
    return f"call_{uuid4().hex[:24]}"
