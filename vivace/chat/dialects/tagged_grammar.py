"""The llguidance rules of calls with tagged parameters."""

import json
from typing import TYPE_CHECKING, Any

from vivace.chat.conversation import JSON, Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.mixed_grammar import Found, another_rule, behind_text, pattern_of
from vivace.chat.dialects.values import types_of
from vivace.chat.dialects.ways import Where

if TYPE_CHECKING:
    from vivace.chat.dialects.tagged import TaggedCalls

CDATA = ("<![CDATA[", "]]>")
_NAME = r'/[^\s<>"]+/'
_PLAIN = r"/[^<&\n]+/"
_UNHELD = ("pattern", "format", "minLength", "maxLength")


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
    value = text_rule(writer, f"{n}{form.parameter_close}{form.after_tag}", form.cdata)
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
    value = value_rule(writer, tool, key, closer, form.cdata)
    body = f"{_opener(form, writer, key, is_text)} {value}"
    if is_text and form.json_suffix and types - {"string"} and not value_options(schema):
        other = writer.json({"allOf": [schema, {"type": sorted(types - {"string"})}]}, root)
        body = f"{body} | {_opener(form, writer, key, False)} {other} {writer.text(closer)}"
    rule = writer.rule("parameter", body)
    return rule if key in root.get("required", ()) else f"{rule}?"


def _opener(form: "TaggedCalls", writer: RuleWriter, key: str, is_text: bool) -> str:
    suffix = (form.text_suffix if is_text else form.json_suffix) or form.key_end or form.parameter_open.suffixes[0]
    return writer.text(f"{form.parameter_open.prefix}{key}{suffix}{form.newline}")


def value_rule(writer: RuleWriter, tool: Tool, key: str, closer: str, cdata: bool = False) -> str:
    """Value and closer: strings are free text up to the closer, everything else is JSON.

    `cdata`: strings that hold a `<`, an `&` or a newline stand in a section of their own.
    """
    schema = properties(tool)[key]
    if "string" not in types_of(schema, tool.parameters) and not value_options(schema):
        return f"{writer.json(schema, tool.parameters)} {writer.text(closer)}"
    where = f"{tool.name}.{key}"
    if cdata and not value_options(schema):
        _report_unheld(writer, where, schema)
        return text_rule(writer, closer, cdata)
    return string_rule(writer, where, schema, "", closer)


def string_rule(writer: RuleWriter, where: str, schema: Any, opener: str, closer: str) -> str:
    """A text between two others, or one of the schema's options; `where` it stands is for the report."""
    options = value_options(schema)
    before = [writer.text(opener)] if opener else []
    if options:
        texts = [option if isinstance(option, str) else json.dumps(option, ensure_ascii=False) for option in options]
        return " ".join([*before, f"({' | '.join(writer.text(text) for text in texts)})", writer.text(closer)])
    _report_unheld(writer, where, schema)
    return " ".join([*before, writer.free(closer)])


def text_rule(writer: RuleWriter, closer: str, cdata: bool = False) -> str:
    """Any text and its closer; with `cdata` in a section of its own or without anything that calls for one."""
    if not cdata:
        return writer.free(closer)
    section = f"{writer.text(CDATA[0])} {writer.free(CDATA[1] + closer)}"
    return f"({section} | {writer.rule('plain', _PLAIN)}? {writer.text(closer)})"


def _report_unheld(writer: RuleWriter, where: str, schema: Any) -> None:
    for word in _UNHELD:
        if isinstance(schema, dict) and word in schema:
            writer.relax(f"{where}: {word} of a string parameter is not enforced")


def value_options(schema: Any) -> list[Any]:
    """The values, of whatever type, that `enum` or `const` allow; none if there is neither."""
    found = schema.get("enum", [schema["const"]] if "const" in schema else None) if isinstance(schema, dict) else None
    return found if isinstance(found, list) else []
