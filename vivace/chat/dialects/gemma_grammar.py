"""The llguidance rules of values as Gemma writes them: strings between two markers, bare keys, anything nested."""

import json
import re
from typing import Any

from vivace.chat.conversation import JSON, Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.tagged_grammar import string_rule, takes_others, value_options
from vivace.chat.dialects.values import pointed, resolve, types_of
from vivace.chat.schemas.words import Path

_HELD = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
}
_NESTED = _HELD["object"] | _HELD["array"]
_UNHELD = frozenset(
    {"patternProperties", "propertyNames", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas"}
    | {"prefixItems", "contains", "uniqueItems", "allOf", "not", "if", "unevaluatedProperties", "unevaluatedItems"}
)
_STRING = frozenset({"string"})
_BARE = re.compile(r"[\w.\-]+")  # a key that needs no quotes
_KEY = r"/[^\s:,{}\[\]<>\"'|]+/"


class GemmaRules:
    """Writes the arguments of one tool. Keys come in alphabetical order, as the template writes them, the optional ones
    behind the others; no others than those that are declared, where any are."""

    def __init__(self, writer: RuleWriter, tool: Tool, quote: str) -> None:
        self._writer, self._tool, self._quote = writer, tool, quote

    def arguments(self) -> str:
        return self._object((), self._tool.parameters)

    def _value(self, path: Path, schema: Any) -> str:
        if not isinstance(schema, dict):
            return self._any()
        if isinstance(schema.get("$ref"), str):
            return self._reference(schema["$ref"])
        types = types_of(schema, self._tool.parameters)
        if types == _STRING:
            return self._typed(path, schema, "string")
        report_unheld(self._writer, self._tool.parameters, path, schema)
        if value_options(schema):
            return f"({' | '.join(map(self._constant, value_options(schema)))})"
        for word in ("anyOf", "oneOf"):
            if isinstance(schema.get(word), list) and schema[word] and not schema.keys() & {"type", "properties"}:
                options = [self._value((*path, word, i), option) for i, option in enumerate(schema[word])]
                return f"({' | '.join(options)})"
        if len(types) > 2 and not schema.get("type"):
            return self._any()
        return f"({' | '.join(self._typed(path, schema, kind) for kind in sorted(types))})"

    def _typed(self, path: Path, schema: JSON, kind: str) -> str:
        match kind:
            case "string":
                quotes = (self._quote, self._quote)
                return string_rule(self._writer, schema, self._tool.parameters, path, quotes, self._quote, _STRING)
            case "object":
                return self._object(path, schema)
            case "array":
                return self._array(path, schema)
            case "null":
                return '("null" | "None")'
            case _:
                numeric = {k: v for k, v in schema.items() if k not in _NESTED}
                return self._writer.json(numeric | {"type": kind}, self._tool.parameters, path=path)

    def _object(self, path: Path, schema: JSON) -> str:
        properties, wanted = schema.get("properties") or {}, schema.get("required", ())
        if set(wanted) - properties.keys():
            note = "`required` is not enforced for what is not declared"
            self._writer.relax(note, self._tool.parameters, path)
        if not properties:
            return self._open_object(path, schema)
        members = {key: self._member(path, key, properties[key]) for key in sorted(properties)}
        required = [rule for key, rule in members.items() if key in wanted]
        optional = [rule for key, rule in members.items() if key not in wanted]
        return self._writer.rule("object", " ".join([self._text("{"), *_listed(required, optional), self._text("}")]))

    def _open_object(self, path: Path, schema: JSON) -> str:
        """No properties are declared: any, or none; a tool without parameters has none."""
        extra = schema.get("additionalProperties", True)
        if extra is False or (schema is self._tool.parameters and not takes_others(schema)):
            return self._text("{}")
        if extra is True:
            return self._any_object()
        return self._writer.rule(
            "object", _many("{", self._any_member(self._value((*path, "additionalProperties"), extra)), "}")
        )

    def _array(self, path: Path, schema: JSON) -> str:
        item = self._writer.rule("item", self._value((*path, "items"), schema.get("items", True)))
        return self._writer.rule("array", _many("[", item, "]", schema.get("minItems", 0), schema.get("maxItems")))

    def _member(self, path: Path, key: str, schema: Any) -> str:
        value = self._value((*path, "properties", key), schema)
        return self._writer.rule("member", f"{self._text(_key(key, self._quote) + ':')} {value}")

    def _reference(self, reference: str) -> str:
        schema = resolve(reference, self._tool.parameters)
        return self._writer.shared(f"{self._tool.name} {reference}", lambda _: self._value(pointed(reference), schema))

    def _constant(self, value: Any) -> str:
        return self._text(_literal(value, self._quote))

    def _text(self, text: str) -> str:
        return self._writer.text(text)

    def _any(self) -> str:
        return self._writer.shared(f"any {self._quote}", self._any_of)

    def _any_of(self, itself: str) -> str:
        json_scalar = self._writer.json({"type": ["number", "boolean", "null"]}, {})
        return f'{self._string} | {json_scalar} | "None" | {self._any_object()} | {_many("[", itself, "]")}'

    def _any_object(self) -> str:
        return self._writer.rule("object", _many("{", self._any_member(self._any()), "}"))

    def _any_member(self, value: str) -> str:
        return self._writer.rule("member", f'({_KEY} | {self._string}) ":" {value}')

    @property
    def _string(self) -> str:
        return f"{self._text(self._quote)} {self._writer.free(self._quote)}"


def report_unheld(writer: RuleWriter, root: JSON, path: Path, schema: JSON) -> None:
    """Names what these rules, and those of nested tags, do not hold."""
    typed = schema.keys() & {"type", "properties"}
    for word in sorted(schema.keys() & (_UNHELD | {"anyOf", "oneOf"} if typed else _UNHELD)):
        writer.relax(f"`{word}` is not enforced", root, path)


def _many(begin: str, item: str, end: str, least: int = 0, most: int | None = None) -> str:
    """Items with commas between them, in brackets."""
    if most == 0:
        return f'"{begin}" "{end}"'
    rest = f"{max(int(least) - 1, 0)},{'' if most is None else int(max(most, least)) - 1}"
    inside = f'{item} ("," {item}){{{rest}}}'
    return f'"{begin}" {inside if least else f"({inside})?"} "{end}"'


def _listed(required: list[str], optional: list[str]) -> list[str]:
    """Members with commas between them; the optional ones behind the others."""
    if not required:
        options = [" ".join([m, *(f'("," {later})?' for later in optional[i + 1 :])]) for i, m in enumerate(optional)]
        return [f"({' | '.join(options)})?"] if options else []
    return [' "," '.join(required), *(f'("," {m})?' for m in optional)]


def _literal(value: Any, quote: str) -> str:
    """A value as the family writes it."""
    match value:
        case str():
            return quote + value + quote
        case list():
            return "[" + ",".join(_literal(each, quote) for each in value) + "]"
        case dict():
            return "{" + ",".join(_key(k, quote) + ":" + _literal(v, quote) for k, v in sorted(value.items())) + "}"
    return json.dumps(value)


def _key(key: str, quote: str) -> str:
    return key if _BARE.fullmatch(key) else quote + key + quote
