"""The llguidance rules of calls with nested tags."""

from typing import Any

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.tagged_grammar import properties, string_rule, value_options
from vivace.chat.dialects.values import resolved, types_of

_DEPTH_LIMIT = 8  # schemas may refer to themselves


def call_rule(ns: str, writer: RuleWriter, tool: Tool, exact: bool) -> str:
    head, closer = writer.text(f'{ns}<invoke name="{tool.name}">'), f"{ns}</invoke>"
    if not exact:
        return f"{head} {writer.free(closer)}"
    members = _Rules(ns, writer, tool).members(tool.parameters, 0)
    return " ".join([head, *members, writer.text(closer)])


class _Rules:
    def __init__(self, ns: str, writer: RuleWriter, tool: Tool) -> None:
        self._ns, self._writer, self._tool = ns, writer, tool

    def members(self, schema: dict[str, Any], depth: int) -> list[str]:
        """Members in the schema's order, optional ones may be left out."""
        rules = []
        for key, member in properties(Tool("", None, schema)).items():
            rule = self._writer.rule("member", self._element(key, member, depth))
            rules.append(rule if key in schema.get("required", ()) else f"{rule}?")
        return rules

    def _element(self, key: str, member: Any, depth: int) -> str:
        """A value between its tags."""
        schema, root = resolved(member, self._tool.parameters), self._tool.parameters
        opener, closer = f"{self._ns}<{key}>", f"{self._ns}</{key}>"
        types = types_of(schema, root)
        where = f"{self._tool.name}.{key}"
        if "string" in types or value_options(schema):
            return string_rule(self._writer, where, schema, opener, closer)
        if types == {"object"} and depth < _DEPTH_LIMIT and properties(Tool("", None, schema)):
            inside = self.members(schema, depth + 1)
        elif types == {"array"} and depth < _DEPTH_LIMIT and isinstance(schema.get("items"), dict):
            inside = [f"({self._element('item', schema['items'], depth + 1)})*"]
        elif types & {"object", "array"}:
            self._writer.relax(f"{where}: what objects and arrays hold is not enforced")
            return f"{self._writer.text(opener)} {self._writer.free(closer)}"
        else:
            inside = [self._writer.json(schema, root)]
        return " ".join([self._writer.text(opener), *inside, self._writer.text(closer)])
