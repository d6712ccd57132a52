"""Tools, tool_choice and response_format as one llguidance grammar, written with the rules of the model's dialects.

Schemas that are no JSON schema are refused. What llguidance cannot express of one is relaxed and reported.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vivace import protocol
from vivace.chat.closing import closed
from vivace.chat.conversation import JSON, Conversation, Tool
from vivace.chat.dialects.base import ReasoningDialect, ToolDialect
from vivace.errors import invalid

_ANSWER_STYLE = {"lenient": True, "whitespace_pattern": r"[ \n\t]{0,40}"}
# As serialisers write: models see nothing else in calls, and small ones lose their way behind newlines and indentation.
_CALL_STYLE = {"lenient": True, "whitespace_pattern": "[ ]?"}


@dataclass(frozen=True)
class Start:
    """How the output begins. `reasoning_open`: inside reasoning; `may_reason`: the model may open reasoning itself."""

    reasoning_open: bool = False
    may_reason: bool = False


class GrammarBuilder:
    """Writes grammars for one checkpoint. `tokens`: ids of the markers that are one token each."""

    def __init__(self, tools: ToolDialect, reasoning: ReasoningDialect, tokens: Mapping[str, int]) -> None:
        self._tools, self._reasoning, self._tokens = tools, reasoning, tokens

    def build(self, conversation: Conversation, start: Start) -> tuple[protocol.Grammar | None, tuple[str, ...]]:
        """The grammar, None if anything may be said, and notes on what had to be relaxed.

        The conversation's schemas have passed `check_schemas`.

        Raises:
            VivaceError: the dialect knows no calls, but one is to be forced.
        """
        rules = _Rules(self._tokens)
        answer = self._answer(conversation, rules)
        if answer is None:
            return None, ()
        closer_id = self._tokens.get(self._reasoning.closer)
        if start.reasoning_open and closer_id is not None:
            return protocol.Grammar(rules.source(f"{_BREAK} {answer}"), closer_id), tuple(rules.notes)
        return protocol.Grammar(rules.source(self._after_reasoning(rules, start, answer))), tuple(rules.notes)

    def _after_reasoning(self, rules: "_Rules", start: Start, answer: str) -> str:
        """`answer`, behind the reasoning block that is open, or that the model may open."""
        if not (start.reasoning_open or (start.may_reason and self._reasoning.closer)):
            return answer
        inside = self._free_until(rules, self._reasoning.closer)
        if start.reasoning_open:
            return f"{inside} {_BREAK} {answer}"
        return f"({rules.text(self._reasoning.opener)} {inside} {_BREAK})? {answer}"

    def _free_until(self, rules: "_Rules", closer: str) -> str:
        if closer in self._tokens:
            return f"{rules.rule('thoughts', '/(?s:.*)/')} {rules.text(closer)}"
        return rules.rule("thoughts", "/(?s:.*)/", f"[suffix={json.dumps(closer)}]")

    def _answer(self, conversation: Conversation, rules: "_Rules") -> str | None:
        choice, tools = conversation.tool_choice, conversation.tools
        many = conversation.parallel_tool_calls
        if choice.mode == "named":
            return self._calls([tool for tool in tools if tool.name == choice.name], rules, many)
        if choice.mode == "required":
            return self._calls(tools, rules, many)
        offered = tools if choice.mode == "auto" else ()
        if conversation.response_format.mode == "json":
            body = rules.json(_object_schema(conversation), None)
            return f"({self._calls(offered, rules, many)} | {body})" if offered else body
        if offered and (not many or any(tool.strict for tool in offered)):
            return self._prose_and_calls(offered, rules, many)
        return None

    def _calls(self, tools: Sequence[Tool], rules: "_Rules", many: bool) -> str:
        call = self._any_call(tools, rules, exact=True)
        return f"{call} ({self._tools.separator()} {call})*" if many else call

    def _any_call(self, tools: Sequence[Tool], rules: "_Rules", exact: bool) -> str:
        options = [self._tools.call_rule(rules, tool, exact or tool.strict) for tool in tools]
        return options[0] if len(options) == 1 else rules.rule("any", " | ".join(options))

    def _prose_and_calls(self, tools: Sequence[Tool], rules: "_Rules", many: bool) -> str | None:
        """Free text and calls, strict ones by their schema. Needs a trigger that is a token of its own."""
        if not self._tools.markers or self._tools.markers[0] not in self._tokens:
            rules.notes.append("calls are not constrained: this vocabulary has no token that begins one")
            return None
        prose = rules.rule("prose", "/(?s:.*)/")
        call = self._any_call(tools, rules, exact=False)
        return f"{prose} ({call} {prose})*" if many else f"{prose} {call}?"


_BREAK = r"/\n{0,2}/"  # the newlines that separate reasoning from what follows


def _object_schema(conversation: Conversation) -> JSON:
    schema = conversation.response_format.schema
    return {"type": "object"} if schema is None else schema


class _Rules:
    """See `RuleWriter`."""

    def __init__(self, tokens: Mapping[str, int]) -> None:
        self._tokens = tokens
        self._split = re.compile("(" + "|".join(map(re.escape, tokens)) + ")") if tokens else re.compile("((?!))")
        self._names: dict[str, str] = {}  # by what stands behind the name: tools have much in common
        self.notes: list[str] = []

    def rule(self, prefix: str, body: str, attributes: str = "") -> str:
        return self._names.setdefault(f"{attributes}: {body}", f"{prefix}_{len(self._names)}")

    def text(self, text: str) -> str:
        parts = [part for part in self._split.split(text) if part]
        return " ".join(f"<[{self._tokens[p]}]>" if p in self._tokens else quoted(p) for p in parts) or '""'

    def json(self, schema: Any, root: Any) -> str:
        shared = {k: root[k] for k in ("$defs", "definitions") if isinstance(root, dict) and k in root}
        body = {**shared, **schema} if isinstance(schema, dict) else {}
        source, notes = _expressible(body, _ANSWER_STYLE) if root is None else _expressible(closed(body), _CALL_STYLE)
        self.notes += notes
        return self.rule("value", f"%json {source}")

    def relax(self, note: str) -> None:
        self.notes.append(note)

    def source(self, start: str) -> str:
        lines = [f"{name}{definition}" for definition, name in self._names.items()]
        return "\n".join(["%llguidance {}", f"start: {start}", *lines, ""])


def quoted(text: str) -> str:
    """`text` as a lark literal."""
    return json.dumps(text, ensure_ascii=False)


def _expressible(schema: JSON, style: JSON) -> tuple[str, list[str]]:
    """The schema as llguidance can hold it, and what had to go for that."""
    notes: list[str] = []
    for candidate in (schema, {"type": schema["type"]} if isinstance(schema.get("type"), str) else {}, {}):
        source = json.dumps({**candidate, "x-guidance": style})
        failed, messages = _validated(source)
        if not failed:
            return source, notes + [f"not enforced: {message}" for message in messages]
        notes = [f"only the type is enforced, since the schema cannot be held: {messages[0].splitlines()[0]}"]
    return json.dumps({"x-guidance": style}), notes


@lru_cache(1024)
def _validated(source: str) -> tuple[bool, tuple[str, ...]]:
    """Whether llguidance refuses the schema, and its error or warnings. Agents send the same tools every turn."""
    from llguidance import LLMatcher

    failed, messages = LLMatcher.validate_grammar_with_warnings(f"start: %json {source}")
    return failed, tuple(messages)


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
    for i, tool in enumerate(conversation.tools):
        _check(tool.parameters, f"tools.{i}.function.parameters")
    if conversation.response_format.schema is not None:
        _check(conversation.response_format.schema, "response_format.json_schema.schema")


def _check(schema: JSON, where: str) -> None:
    try:
        fault = _fault(json.dumps(schema))
    except RecursionError:
        fault = ("it is nested too deeply", ())
    except (TypeError, ValueError) as error:  # jsonschema trips over keywords of a wrong type before it judges them
        fault = (str(error), ())
    if fault is not None:
        message, path = fault
        param = ".".join([where, *path])
        raise invalid(f"{param}: invalid JSON schema: {message}.", param, "invalid_json_schema")


@lru_cache(1024)
def _fault(source: str) -> tuple[str, tuple[str, ...]] | None:
    """What is wrong with a schema by the draft that it declares, and the path to it."""
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for

    schema = json.loads(source)
    if not isinstance(schema.get("$schema", ""), str):
        return "the draft must be named by a string", ("$schema",)
    try:
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        return error.message, tuple(map(str, error.absolute_path))
    return None
