"""Tools, tool_choice and response_format as one llguidance grammar, written with the rules of the model's dialects.

Schemas that are no JSON schema are refused. What llguidance cannot express of one is relaxed and reported.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from vivace import protocol
from vivace.chat.conversation import JSON, Conversation, Tool
from vivace.chat.dialects.base import ReasoningDialect, ToolDialect
from vivace.chat.dialects.mixed_grammar import any_rule, pattern_of
from vivace.chat.schemas import SINGLE_SPACES, Held, closed, fault, fragment, hold, origin, place
from vivace.chat.schemas.words import Path
from vivace.errors import invalid


@dataclass(frozen=True)
class Start:
    """How the output begins. `reasoning_open`: inside reasoning; `may_reason`: the model may open reasoning itself;
    `closer`: what ends it, if not the family's first."""

    reasoning_open: bool = False
    may_reason: bool = False
    closer: str = ""


class GrammarBuilder:
    """Writes grammars for one checkpoint.

    Args:
        tokens: ids of the markers that are one token each.
        others: ids of further tokens that no text is made of, but which may stand in an answer.
    """

    def __init__(
        self,
        tools: ToolDialect,
        reasoning: ReasoningDialect,
        tokens: Mapping[str, int],
        others: Collection[int] = (),
    ) -> None:
        self._tools, self._reasoning, self._tokens = tools, reasoning, tokens
        self._others = frozenset((*tokens.values(), *others))

    def build(self, conversation: Conversation, start: Start) -> tuple[protocol.Grammar | None, tuple[str, ...]]:
        """The grammar, None if anything may be said, and notes on what had to be relaxed.

        The conversation's schemas have passed `check_schemas`.

        Raises:
            VivaceError: the dialect knows no calls, but one is to be forced.
        """
        rules = _Rules(self._tokens, self._others, list(_schemas(conversation)))
        answer = self._answer(conversation, rules)
        if answer is None:
            return None, rules.relaxed
        closer_id = self._tokens.get(start.closer or self._reasoning.closer)
        if start.reasoning_open and closer_id is not None:
            return protocol.Grammar(rules.source(f"{_BREAK} {self._resume(rules)} {answer}"), closer_id), rules.relaxed
        return protocol.Grammar(rules.source(self._after_reasoning(rules, start, answer))), rules.relaxed

    def _after_reasoning(self, rules: "_Rules", start: Start, answer: str) -> str:
        """`answer`, behind the reasoning block that is open, or that the model may open."""
        if not (start.reasoning_open or (start.may_reason and self._reasoning.closer)):
            return answer
        inside = rules.free(start.closer or self._reasoning.closer)
        if start.reasoning_open:
            return f"{inside} {_BREAK} {self._resume(rules)} {answer}"
        return f"({rules.text(self._reasoning.opener)} {inside} {_BREAK} {self._resume(rules)})? {answer}"

    def _resume(self, rules: "_Rules") -> str:
        return rules.text(self._reasoning.resume) if self._reasoning.resume else ""

    def _plain(self, rules: "_Rules", body: str) -> str:
        """An answer that is no call, behind what the family puts before it."""
        return f"{rules.text(self._reasoning.answer_open)} {body}" if self._reasoning.answer_open else body

    def _answer(self, conversation: Conversation, rules: "_Rules") -> str | None:
        choice, tools = conversation.tool_choice, conversation.tools
        many = conversation.parallel_tool_calls
        if choice.mode == "named":
            return self._calls([tool for tool in tools if tool.name == choice.name], rules, many)
        if choice.mode == "required":
            return self._calls(tools, rules, many)
        offered = tools if choice.mode == "auto" else ()
        if conversation.response_format.mode == "json":
            schema = _object_schema(conversation)
            body = self._plain(rules, rules.answer(schema))
            return f"({self._calls(offered, rules, many)} | {body})" if offered else body
        return self._tools.mixed_rule(rules, offered, many, self._reasoning) if offered else None

    def _calls(self, tools: Sequence[Tool], rules: "_Rules", many: bool) -> str:
        options = [self._tools.call_rule(rules, tool) for tool in tools]
        return self._tools.calls_rule(rules, any_rule(rules, options), many)


_BREAK = r"/\n{0,2}/"  # the newlines that separate reasoning from what follows


def _object_schema(conversation: Conversation) -> JSON:
    schema = conversation.response_format.schema
    return {"type": "object"} if schema is None else schema


class _Rules:
    """See `RuleWriter`."""

    def __init__(self, tokens: Mapping[str, int], others: Collection[int], schemas: Sequence[tuple[str, JSON]]) -> None:
        self._tokens, self._others = tokens, others
        self._schemas = schemas
        self._split = re.compile("(" + "|".join(map(re.escape, tokens)) + ")") if tokens else re.compile("((?!))")
        self._names: dict[str, str] = {}  # by what stands behind the name: tools have much in common
        self._shared: dict[str, str] = {}
        self._shared_lines: list[str] = []
        self.notes: list[str] = []

    def rule(self, prefix: str, body: str, attributes: str = "") -> str:
        return self._names.setdefault(f"{attributes}: {body}", f"{prefix}_{len(self._names)}")

    def shared(self, key: str, body: Callable[[str], str]) -> str:
        if key not in self._shared:
            name = self._shared[key] = f"shared_{len(self._shared)}"
            self._shared_lines.append(f"{name}: {body(name)}")
        return self._shared[key]

    def text(self, text: str) -> str:
        parts = [part for part in self._split.split(text) if part]
        return " ".join(f"<[{self._tokens[p]}]>" if p in self._tokens else _literals(p) for p in parts) or '""'

    def is_spelled(self, text: str) -> bool:
        return not self._split.search(text)

    def tokens_but(self, *texts: str) -> str:
        but = {self._tokens[token] for text in texts for token in self._split.findall(text)}
        ranges = ",".join(f"{first}-{last}" for first, last in _runs(sorted(set(self._others) - but)))
        return f"<[{ranges}]>" if ranges else ""

    def free(self, end: str, terminal: str = "/(?s:.*)/") -> str:
        token = self._split.search(end)
        if token is None:
            return self.rule("free", terminal, f"[suffix={json.dumps(end)}]")
        if token.start() == 0:
            return f"{self.rule('FREE', terminal)} {self.text(end)}"
        before, rest = end[: token.start()], end[token.start() :]
        # `before` may come again and again until the token, which ends the text
        return f"{self.rule('FREE', f'({terminal}) /{pattern_of(before)}/')} {self.text(rest)}"

    def answer(self, schema: Any) -> str:
        """The expression for JSON of this schema, with white space between values as models like it."""
        return self._value(hold(fragment(schema, schema)), schema, schema)

    def json(self, schema: Any, root: Any, inner: Any = None, path: Path | None = None) -> str:
        return self._value(hold(closed(fragment(schema, root)), SINGLE_SPACES), schema, root, inner, path)

    def _value(self, held: Held, schema: Any, root: Any, inner: Any = None, at: Path | None = None) -> str:
        about = root if inner is None else inner
        at = place(schema, root) if at is None else at
        for path, note in held.losses:
            self.relax(note, about, origin(path if inner is None else path[2:], at))
        return self.rule("value", f"%json {held.source}")

    def relax(self, note: str, root: Any = None, path: Path = ()) -> None:
        if root is not None:
            where = next((where for where, each in self._schemas if each is root), "schema")
            note = f"{'.'.join(map(str, (where, *path)))}: {note}"
        self.notes.append(note)

    @property
    def relaxed(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.notes))

    def source(self, start: str) -> str:
        lines = [f"{name}{definition}" for definition, name in self._names.items()]
        return "\n".join(["%llguidance {}", f"start: {start}", *lines, *self._shared_lines, ""])


def _runs(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of ids in a row."""
    for _, run in groupby(enumerate(ids), lambda each: each[1] - each[0]):
        members = [i for _, i in run]
        yield members[0], members[-1]


def _literals(text: str) -> str:
    """`text` as lark literals, newlines and tags (or their beginnings) apart: the lexer is greedy, so a literal that is
    the beginning of another one would never end where both may come."""
    return " ".join(quoted(part) for part in re.split(r"(\n+|<[^<>\s]+>?)", text) if part)


def quoted(text: str) -> str:
    """`text` as a lark literal."""
    return json.dumps(text, ensure_ascii=False)


def check_schemas(conversation: Conversation) -> None:
    """
    Raises:
        VivaceError: a schema is no JSON schema (`param` is the path to the fault), or a tool choice names no tool.
    """
    names = [tool.name for tool in conversation.tools]
    choice = conversation.tool_choice
    if choice.mode == "named" and choice.name not in names:
        raise invalid(f"tool_choice names {choice.name!r}, which is not among the tools.", "tool_choice")
    if choice.mode == "required" and not names:
        raise invalid("tool_choice is required, but there are no tools.", "tool_choice")
    for where, schema in _schemas(conversation):
        _check(schema, where)


def _schemas(conversation: Conversation) -> Iterator[tuple[str, JSON]]:
    """All schemas of a request, and where they stand in it."""
    for index, tool in enumerate(conversation.tools):
        yield f"tools.{index}.function.parameters", tool.parameters
    if conversation.response_format.schema is not None:
        yield "response_format.json_schema.schema", conversation.response_format.schema


def _check(schema: JSON, where: str) -> None:
    found = fault(schema)
    if found is not None:
        message, path = found
        param = ".".join([where, *path])
        raise invalid(f"{param}: invalid JSON schema: {message}.", param, "invalid_json_schema")
