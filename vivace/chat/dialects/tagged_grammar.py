"""The llguidance rules of calls with tagged parameters."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vivace.chat.conversation import JSON, Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.mixed_grammar import Found, another_rule, behind_text, pattern_of
from vivace.chat.dialects.values import types_of
from vivace.chat.dialects.ways import Where
from vivace.chat.schemas.ecma import ANY, BYTES
from vivace.chat.schemas.text import text
from vivace.chat.schemas.words import Path

if TYPE_CHECKING:
    from vivace.chat.dialects.tagged import TaggedCalls

CDATA = ("<![CDATA[", "]]>")
_NAME = r'/[^\s<>"]{1,128}/'  # as long as the lexer reads them
_PLAIN = r"/[^<&\n]+/"
_STRING = frozenset({"string"})


def body_rule(form: "TaggedCalls", writer: RuleWriter, tool: Tool) -> str:
    """One call of `tool`: parameters in the schema's order, optional ones may be left out."""
    return " ".join([writer.text(_head(form, tool)), *_arguments(form, writer, tool)])


def found_rule(form: "TaggedCalls", writer: RuleWriter, tool: Tool, opening: str, where: Where) -> Found:
    """One call of `tool` behind any text and the opening."""
    head = opening + _head(form, tool)
    other = another_rule(writer, "<") if writer.is_spelled(head) else ""
    return Found(behind_text(writer, head, where), " ".join(_arguments(form, writer, tool)), other)


def _head(form: "TaggedCalls", tool: Tool) -> str:
    opener = form.function_open
    named = f"{opener.prefix}{tool.name}{opener.suffixes[0]}" if opener else tool.name + form.name_close
    return "".join(form.before) + named


def _arguments(form: "TaggedCalls", writer: RuleWriter, tool: Tool) -> list[str]:
    """Everything behind the head."""
    parameters = [_parameter(form, writer, tool, key) for key in properties(tool)]
    if takes_others(tool.parameters):
        parameters.append(f"{_other(form, writer, tool)}*")
    elif not parameters:
        parameters.append(writer.text(form.empty))
    return [writer.text(form.after_tag), *parameters, writer.text(form.function_close)]


def takes_others(schema: JSON) -> bool:
    """Properties that are not declared may be given, as texts: the schema says so, or declares none at all."""
    extra = schema.get("additionalProperties", "properties" not in schema)
    return extra is True or (isinstance(extra, dict) and "string" in types_of(extra, schema))


def _other(form: "TaggedCalls", writer: RuleWriter, tool: Tool) -> str:
    n, opener = form.newline, form.parameter_open
    suffixes = " | ".join(writer.text(f"{suffix}{n}") for suffix in opener.suffixes)
    extra = tool.parameters.get("additionalProperties", True)
    terminal = text_terminal(writer, extra, tool.parameters, ("additionalProperties",), _STRING, _marks(form))
    value = text_rule(writer, f"{n}{form.parameter_close}{form.after_tag}", form.cdata, terminal)
    opening = f"{writer.text(opener.prefix)} {other_name(writer, tool, _NAME)} ({suffixes})"
    return writer.rule("parameter", f"{opening} {value}")


def other_name(writer: RuleWriter, tool: Tool, pattern: str) -> str:
    """The terminal of a name that is not declared."""
    declared = "|".join(map(pattern_of, properties(tool)))
    return writer.rule("NAME", f"{pattern} & ~/({declared})/" if declared else pattern)


def properties(tool: Tool) -> dict[str, Any]:
    """The declared parameters and their schemas."""
    found = tool.parameters.get("properties")
    return found if isinstance(found, dict) else {}


def _parameter(form: "TaggedCalls", writer: RuleWriter, tool: Tool, key: str) -> str:
    schema, root = properties(tool)[key], tool.parameters
    types = types_of(schema, root)
    closer = f"{form.newline}{form.parameter_close}{form.after_tag}"
    is_text = "string" in types or bool(value_options(schema))
    body = f"{_opener(form, writer, key, is_text)} {_value(form, writer, tool, key, closer)}"
    if is_text and form.json_suffix and types - {"string"} and not value_options(schema):
        narrowed = (schema if isinstance(schema, dict) else {}) | {"type": sorted(types - {"string"})}
        other = writer.json(narrowed, root, path=("properties", key))
        body = f"{body} | {_opener(form, writer, key, False)} {other} {writer.text(closer)}"
    rule = writer.rule("parameter", body)
    return rule if key in root.get("required", ()) else f"{rule}?"


def _opener(form: "TaggedCalls", writer: RuleWriter, key: str, is_text: bool) -> str:
    suffix = (form.text_suffix if is_text else form.json_suffix) or form.key_end or form.parameter_open.suffixes[0]
    return writer.text(f"{form.parameter_open.prefix}{key}{suffix}{form.newline}")


def _value(form: "TaggedCalls", writer: RuleWriter, tool: Tool, key: str, closer: str) -> str:
    """Value and closer: strings are texts up to the closer, everything else is JSON."""
    schema, root = properties(tool)[key], tool.parameters
    types = types_of(schema, root)
    if value_options(schema):
        return f"{_options(writer, schema)} {writer.text(closer)}"
    if "string" not in types:
        return f"{writer.json(schema, root)} {writer.text(closer)}"
    spelled = types & {"string"} if form.json_suffix else types
    terminal = text_terminal(writer, schema, root, ("properties", key), spelled, _marks(form))
    return text_rule(writer, closer, form.cdata, terminal)


def _marks(form: "TaggedCalls") -> tuple[str, ...]:
    """What ends a value for the parser, or may."""
    return (form.parameter_close, form.parameter_open.prefix, form.function_close, *(CDATA if form.cdata else ()))


def text_terminal(
    writer: RuleWriter, schema: Any, root: object, path: Path, types: frozenset[str], marks: Iterable[str]
) -> str:
    """What of all texts fits the schema at `path` in `root`; what that does not hold is reported.

    `types`: what a text may spell; `marks`: what it does not hold if not every text fits, since the parser would end
    it there.
    """
    found = text(schema, root, path, types)
    for at, note in found.losses:
        writer.relax(note, root, at)
    inside = "|".join(map(pattern_of, marks))
    return f"({found.terminal} & ~({BYTES} /{inside}/ {BYTES}))" if found.terminal else ANY


def string_rule(
    writer: RuleWriter, schema: Any, root: object, path: Path, around: tuple[str, str], mark: str, types: frozenset[str]
) -> str:
    """A text between two others, or one of the schema's options; `mark`, `types`: see `text_terminal`."""
    opener, closer = around
    if value_options(schema):
        return " ".join([writer.text(opener), _options(writer, schema), writer.text(closer)])
    terminal = text_terminal(writer, schema, root, path, types, (mark,))
    return f"{writer.text(opener)} {writer.free(closer, terminal)}"


def _options(writer: RuleWriter, schema: Any) -> str:
    options = value_options(schema)
    texts = [option if isinstance(option, str) else json.dumps(option, ensure_ascii=False) for option in options]
    return f"({' | '.join(writer.text(each) for each in texts)})"


def text_rule(writer: RuleWriter, closer: str, cdata: bool = False, terminal: str = ANY) -> str:
    """A text and its closer; with `cdata` in a section of its own or without anything that calls for one."""
    if not cdata:
        return writer.free(closer, terminal)
    section = f"{writer.text(CDATA[0])} {writer.free(CDATA[1] + closer, terminal)}"
    if terminal != ANY:
        plain = f'({terminal} & ({_PLAIN} | ""))'
        return f"({section} | {writer.free(closer, plain)})"
    return f"({section} | {writer.rule('plain', _PLAIN)}? {writer.text(closer)})"


def value_options(schema: Any) -> list[Any]:
    """The values, of whatever type, that `enum` or `const` allow; none if there is neither."""
    found = schema.get("enum", [schema["const"]] if "const" in schema else None) if isinstance(schema, dict) else None
    return found if isinstance(found, list) else []
