"""One parameter's raw value: which of the markers inside it ends it (the rule is in tagged.py)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

from vivace.chat.dialects.base import UNDECIDED_LIMIT
from vivace.chat.dialects.lexer import Lexeme, Marker
from vivace.chat.dialects.value_writer import ValueWriter

Role = Literal[
    "wrapper_open",
    "call_open",
    "wrapper_close",
    "function_open",
    "function_close",
    "parameter_open",
    "parameter_close",
    "cdata_open",
    "cdata_close",
]

_OPENERS = frozenset({"wrapper_open", "call_open"})


class Verdict(NamedTuple):
    """The value has ended. `rest`: lexemes that come after it and are still to be taken."""

    rest: Sequence[Lexeme]
    call_ends: bool
    repaired: str | None = None


class _End(NamedTuple):
    """A likely end: the value is `tail[:value]`, what follows the call `tail[rest:]`."""

    value: int
    rest: int
    repaired: str


class TaggedValue:
    """Takes lexemes until one of them decides that the value is over.

    `siblings`: declared parameters; `others`: those that are not may be given too; `given`: those that the call has
    already; `calls`: names of declared tools; `wrapped`: the call's wrapper was opened; `newline`: what wraps the value
    on each side; `roles`: what the family's markers are; `many`: one wrapper may hold several calls.
    """

    def __init__(
        self,
        writer: ValueWriter,
        siblings: Collection[str],
        others: bool,
        given: Collection[str],
        calls: Collection[str],
        wrapped: bool,
        newline: str,
        roles: Mapping[Marker, Role],
        many: bool = False,
    ) -> None:
        self._roles, self._many = roles, many
        self._in_cdata = False
        self._cdata_end = ""  # held back: what ends the section if the parameter's closer follows
        self._writer, self._given, self._calls = writer, given, calls
        self._siblings, self._others = siblings, others
        self._wrapped, self._newline = wrapped, newline
        self._json: list[str] = []
        self._started = False
        self._blank = True  # only white space so far
        self._newline_held = False
        self._at_line_start = True
        self._inner: list[bool] = []  # calls written inside the value; whether each has a wrapper
        self._after_opener = False  # the last marker was a wrapper's opener
        self._tail: list[Lexeme] = []  # held back: from the first closer that may end the value
        self._tail_size = 0
        self._group: int | None = None  # where in the tail the closers in sight begin
        self._group_end = 0
        self._closers = ""  # kinds of the closers in sight: p(arameter), f(unction)
        self._likely: _End | None = None

    def drain(self) -> str:
        """JSON of the value that is certain and was not drained yet."""
        json, self._json = "".join(self._json), []
        return json

    def finish(self) -> str:
        """The rest of the value's JSON; a newline that wraps the value is not part of it."""
        return self.drain() + self._writer.finish()

    def take(self, lexeme: Lexeme) -> Verdict | None:
        """The verdict, once there is one."""
        role = self._roles.get(lexeme.marker) if lexeme.marker else None
        if self._leaves_cdata(role):
            self._in_cdata, self._cdata_end = False, ""
        if self._in_cdata or (role == "cdata_open" and self._blank):
            self._take_cdata(lexeme, role)
            return None
        if lexeme.marker is None:
            return self._take_text(lexeme)
        if self._inner:
            self._take_inner(lexeme, role)
            return None
        return self._take_marker(lexeme, role)

    def _take_marker(self, lexeme: Lexeme, role: Role | None) -> Verdict | None:
        after_opener, self._after_opener = self._after_opener, role in _OPENERS
        match role:
            case "parameter_open":
                return self._take_parameter_open(lexeme)
            case "parameter_close":
                self._open_group("p", lexeme)
                return None
            case "function_close":
                return self._take_function_close(lexeme)
            case "wrapper_close":
                return self._take_wrapper_close(lexeme)
            case "wrapper_open" | "call_open" if self._group is not None and self._opens_next(lexeme, role):
                rest = [*self._tail[self._group_end :], lexeme]
                return self._end(self._group, rest, True, "the call was not closed")
            case "wrapper_open" | "call_open" if self._group is not None or self._likely:
                return self._hold(lexeme)
            case "function_open" if lexeme.name in self._calls:
                return self._take_call(lexeme, after_opener)
            case _:
                return self._take_other(lexeme)

    @property
    def call_is_closed(self) -> bool:
        """The closers of value and function have been seen; only more text could still prove them part of the value."""
        return bool(self._likely) or (self._group is not None and self._closers == "pf")

    def settle(self) -> Verdict:
        """The output is over: the value ends at the last closer in sight."""
        if self._group is not None:
            return self._end(self._group, [], True)
        return self._end_likely([]) if self._likely else self._end(len(self._tail), [], True)

    def _leaves_cdata(self, role: Role | None) -> bool:
        return bool(self._cdata_end) and role == "parameter_close"

    def _take_cdata(self, lexeme: Lexeme, role: Role | None) -> None:
        """No marker counts before the section's end, and all white space in it does."""
        end, self._cdata_end = self._cdata_end, ""
        if not self._in_cdata:
            self._in_cdata, self._newline, self._newline_held = True, "", False
            return
        self._write(end)
        if role == "cdata_close":
            self._cdata_end = lexeme.text
        else:
            self._write(lexeme.text)

    def _take_text(self, lexeme: Lexeme) -> Verdict | None:
        if self._group is None and not self._likely and not self._tail:
            if self._after_opener and not lexeme.text.isspace():
                self._after_opener = False
            self._write(lexeme.text)
            return None
        if lexeme.text.isspace():
            return self._hold(lexeme)
        self._after_opener = False
        return self._take_other(lexeme)

    def _take_parameter_open(self, lexeme: Lexeme) -> Verdict | None:
        declared = lexeme.name in self._siblings
        if lexeme.name not in self._given and (declared or self._others):
            if self._group is not None and self._closers == "p":
                return self._end(self._group, [lexeme], False)
            forgotten = declared or not self._siblings  # the closer, if that can be told
            if forgotten and self._group is None and not self._likely and self._at_line_start:
                return self._end(len(self._tail), [lexeme], False, "a parameter was not closed")
        return self._take_other(lexeme)

    def _opens_next(self, lexeme: Lexeme, role: Role) -> bool:
        """The next call of this wrapper follows a closed function, or a token leaves no doubt."""
        return lexeme.token or (role == "call_open" and self._closers == "pf")

    def _take_function_close(self, lexeme: Lexeme) -> Verdict | None:
        if self._group is not None and self._closers == "p":
            self._closers, self._group_end = "pf", len(self._tail) + 1
            verdict = self._hold(lexeme)
        else:
            verdict = self._open_group("f", lexeme)
        if verdict is None and not self._wrapped and self._closers == "pf" and self._group is not None:
            return self._end(self._group, [], True)
        return verdict

    def _take_wrapper_close(self, lexeme: Lexeme) -> Verdict | None:
        if self._group is not None:
            repaired = None if self._closers == "pf" else "a tag was not closed"
            return self._end(self._group, [lexeme], True, repaired)
        if lexeme.token:
            return self._end(len(self._tail), [lexeme], True, "a parameter was not closed")
        if self._at_line_start and not self._likely:
            at = len(self._tail)
            self._likely = _End(at, at, "a parameter was not closed")
            return self._hold(lexeme)
        return self._take_other(lexeme)

    def _take_call(self, lexeme: Lexeme, after_opener: bool) -> Verdict | None:
        """A declared call's opener: the next call if this one can be over, else a call written inside the value."""
        if self._group is not None:
            rest = [*self._tail[self._group_end :], lexeme]
            normal = self._many and self._closers == "pf"
            return self._end(self._group, rest, True, None if normal else "the call was not closed")
        if self._likely and after_opener:
            return self._end_likely([lexeme])
        if not self._likely:
            self._inner.append(after_opener)
        return self._take_other(lexeme)

    def _take_inner(self, lexeme: Lexeme, role: Role | None) -> None:
        self._write(lexeme.text)
        if role == "function_open" and lexeme.name in self._calls:
            self._inner.append(self._after_opener)
        self._after_opener = role in _OPENERS
        if role == ("wrapper_close" if self._inner[-1] else "function_close"):
            self._inner.pop()

    def _open_group(self, closers: str, lexeme: Lexeme) -> Verdict | None:
        self._give_up_group()
        self._group, self._closers = len(self._tail), closers
        self._group_end = self._group + 1
        return self._hold(lexeme)

    def _take_other(self, lexeme: Lexeme) -> Verdict | None:
        self._give_up_group()
        if self._likely:
            return self._hold(lexeme)
        self._write(lexeme.text)
        return None

    def _give_up_group(self) -> None:
        """The closers in sight did not end the value, or only likely did."""
        if self._group is None:
            return
        if self._closers == "pf" and not self._likely:
            self._likely = _End(self._group, self._group_end, "the wrapper was not closed")
        self._group = None
        if not self._likely:
            self._flush(len(self._tail))

    def _hold(self, lexeme: Lexeme) -> Verdict | None:
        self._tail.append(lexeme)
        self._tail_size += len(lexeme.text)
        if self._tail_size <= UNDECIDED_LIMIT:
            return None
        if self._likely:
            return self._end_likely([])
        self._group = None
        self._flush(len(self._tail))
        return None

    def _end_likely(self, rest: list[Lexeme]) -> Verdict:
        end = self._likely
        assert end is not None
        return self._end(end.value, [*self._tail[end.rest :], *rest], True, end.repaired)

    def _end(self, value: int, rest: list[Lexeme], call_ends: bool, repaired: str | None = None) -> Verdict:
        self._flush(value)
        return Verdict(rest, call_ends, repaired)

    def _flush(self, end: int) -> None:
        for lexeme in self._tail[:end]:
            self._write(lexeme.text)
        self._tail, self._tail_size = [], 0

    def _write(self, text: str) -> None:
        """Adds to the value, but for the newline on each side that only wraps it."""
        newline = self._newline
        self._blank = self._blank and text.isspace()
        self._at_line_start = text.endswith("\n")
        if not self._started:
            self._started = True
            text = text.removeprefix(newline)
        if not text:
            return
        if self._newline_held:
            text = newline + text
        self._newline_held = bool(newline) and text.endswith(newline)
        text = text.removesuffix(newline) if self._newline_held else text
        if text:
            self._json.append(self._writer.feed(text))
