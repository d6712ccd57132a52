"""The llguidance rules of calls with tagged parameters."""

import json
from typing import TYPE_CHECKING, Any

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.values import types_of

if TYPE_CHECKING:
    from vivace.chat.dialects.tagged import TaggedCalls

_NAME = r'/[^\s<>"]+/'
_UNHELD = ("pattern", "format", "minLength", "maxLength")


def body_rule(form: "TaggedCalls", writer: RuleWriter, tool: Tool, exact: bool, bare: bool = False) -> str:
    """One call of `tool`: parameters in the schema's order, optional ones may be left out.

    Without `exact`, parameters of any names, all of them texts. `bare`: behind any text.
    """
    opener = form.function_open
    named = f"{opener.prefix}{tool.name}{opener.suffixes[0]}" if opener else tool.name
    head = writer.free(named) if bare else writer.text(named)
    parameters = [_parameter(form, writer, tool, key) for key in properties(tool)] if exact else [_any(form, writer)]
    return " ".join([head, writer.text(form.after_tag), *parameters, writer.text(form.function_close)])


def _any(form: "TaggedCalls", writer: RuleWriter) -> str:
    n, opener = form.newline, form.parameter_open
    suffixes = " | ".join(writer.text(f"{suffix}{n}") for suffix in opener.suffixes)
    value = writer.free(f"{n}{form.parameter_close}{form.after_tag}")
    return f"{writer.rule('parameter', f'{writer.text(opener.prefix)} {_NAME} ({suffixes}) {value}')}*"


def properties(tool: Tool) -> dict[str, Any]:
    """The declared parameters and their schemas."""
    found = tool.parameters.get("properties")
    return found if isinstance(found, dict) else {}


def _parameter(form: "TaggedCalls", writer: RuleWriter, tool: Tool, key: str) -> str:
    n = form.newline
    is_text = "string" in types_of(properties(tool)[key], tool.parameters)
    suffix = (form.text_suffix if is_text else form.json_suffix) or form.parameter_open.suffixes[0]
    opener = writer.text(f"{form.parameter_open.prefix}{key}{suffix}{n}")
    value = value_rule(writer, tool, key, f"{n}{form.parameter_close}{form.after_tag}")
    rule = writer.rule("parameter", f"{opener} {value}")
    return rule if key in tool.parameters.get("required", ()) else f"{rule}?"


def value_rule(writer: RuleWriter, tool: Tool, key: str, closer: str) -> str:
    """Value and closer: strings are free text up to the closer, everything else is JSON."""
    schema = properties(tool)[key]
    if "string" not in types_of(schema, tool.parameters) and not value_options(schema):
        return f"{writer.json(schema, tool.parameters)} {writer.text(closer)}"
    return string_rule(writer, f"{tool.name}.{key}", schema, "", closer)


def string_rule(writer: RuleWriter, where: str, schema: Any, opener: str, closer: str) -> str:
    """A text between two others, or one of the schema's options; `where` it stands is for the report."""
    options = value_options(schema)
    before = [writer.text(opener)] if opener else []
    if options:
        texts = [option if isinstance(option, str) else json.dumps(option, ensure_ascii=False) for option in options]
        return " ".join([*before, f"({' | '.join(writer.text(text) for text in texts)})", writer.text(closer)])
    for word in _UNHELD:
        if isinstance(schema, dict) and word in schema:
            writer.relax(f"{where}: {word} of a string parameter is not enforced")
    return " ".join([*before, writer.free(closer)])


def value_options(schema: Any) -> list[Any]:
    """The values, of whatever type, that `enum` or `const` allow; none if there is neither."""
    found = schema.get("enum", [schema["const"]] if "const" in schema else None) if isinstance(schema, dict) else None
    return found if isinstance(found, list) else []
