"""The llguidance rules of calls with nested tags."""

from typing import Any

from vivace.chat.conversation import JSON, Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.gemma_grammar import report_unheld
from vivace.chat.dialects.tagged_grammar import string_rule, takes_others, value_options
from vivace.chat.dialects.values import pointed, resolve, types_of
from vivace.chat.schemas.words import Path

_CONTAINERS = frozenset({"object", "array"})
_OPENER, _CLOSER = r"/<[^\s<>\/]+>/", r"/<\/[^\s<>]+>/"


def call_rule(ns: str, writer: RuleWriter, tool: Tool) -> str:
    head = writer.text(f'{ns}<invoke name="{tool.name}">')
    if not _properties(tool.parameters) and takes_others(tool.parameters):
        if isinstance(tool.parameters.get("additionalProperties"), dict):
            writer.relax("`additionalProperties` is not enforced", tool.parameters)
        return f'{head} {_any_members(ns, writer)} "</invoke>"'
    members = _Rules(ns, writer, tool).members((), tool.parameters)
    return " ".join([head, *members, writer.text(f"{ns}</invoke>")])


def _any_members(ns: str, writer: RuleWriter) -> str:
    """Text and elements of any names, up to and with the token before the tag that ends them."""
    text = writer.free(ns)
    element = writer.shared(f"any {ns}", lambda itself: f"{_OPENER} {text} ({itself} {text})* {_CLOSER}")
    return f"{text} ({element} {text})*"


class _Rules:
    def __init__(self, ns: str, writer: RuleWriter, tool: Tool) -> None:
        self._ns, self._writer, self._tool = ns, writer, tool

    def members(self, path: Path, schema: JSON) -> list[str]:
        """Members in the schema's order, optional ones may be left out."""
        rules = []
        for key, member in _properties(schema).items():
            rule = self._element((*path, "properties", key), key, member)
            rules.append(rule if key in schema.get("required", ()) else f"{rule}?")
        return rules

    def _element(self, path: Path, key: str, schema: Any) -> str:
        """The rule of a value between its tags."""
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if isinstance(reference, str):
            found = resolve(reference, self._tool.parameters)
            return self._writer.shared(
                f"{self._tool.name} {key} {reference}", lambda _: self._element(pointed(reference), key, found)
            )
        opener, closer = f"{self._ns}<{key}>", f"{self._ns}</{key}>"
        return self._writer.rule("member", self._value(path, schema, opener, closer))

    def _value(self, path: Path, schema: Any, opener: str, closer: str) -> str:
        """A text, up to where it is closed, or what is nested between the tags."""
        schema = schema if isinstance(schema, dict) else {}
        types = types_of(schema, self._tool.parameters)
        if value_options(schema) or ("string" in types and not types & _CONTAINERS):
            return string_rule(self._writer, schema, self._tool.parameters, path, (opener, closer), self._ns, types)
        report_unheld(self._writer, self._tool.parameters, path, schema)
        nested = self._nested(path, schema, types)
        if nested is None:
            if "string" not in types:
                self._writer.relax("what objects and lists hold is not enforced", self._tool.parameters, path)
            inside = _any_members(self._ns, self._writer)
            return " ".join([self._writer.text(opener), inside, self._writer.text(closer.removeprefix(self._ns))])
        return " ".join([self._writer.text(opener), nested, self._writer.text(closer)])

    def _nested(self, path: Path, schema: JSON, types: frozenset[str]) -> str | None:
        """What may stand between the tags; None if that cannot be said."""
        if types == {"object"} and _properties(schema):
            return " ".join(self.members(path, schema))
        if types == {"array"} and isinstance(schema.get("items"), dict):
            least, most = schema.get("minItems", 0), schema.get("maxItems", "")
            return f"({self._element((*path, 'items'), 'item', schema['items'])}){{{least},{most}}}"
        for word in ("anyOf", "oneOf"):
            if types & _CONTAINERS and isinstance(schema.get(word), list):
                options = [
                    self._nested((*path, word, i), each, types_of(each, self._tool.parameters))
                    for i, each in enumerate(schema[word])
                ]
                return None if None in options else f"({' | '.join(map(str, options))})"
        return None if types & _CONTAINERS else self._writer.json(schema, self._tool.parameters, path=path)


def _properties(schema: JSON) -> JSON:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}
