"""The llguidance rules of calls with tagged parameters."""

import json
from typing import TYPE_CHECKING, Any

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.values import types_of

if TYPE_CHECKING:
    from vivace.chat.dialects.tagged import TaggedCalls

_UNHELD = ("pattern", "format", "minLength", "maxLength")


def body_rule(form: "TaggedCalls", writer: RuleWriter, tool: Tool, exact: bool) -> str:
    """One call of `tool`: parameters in the schema's order, optional ones may be left out.

    Without `exact`, anything up to the function's closer.
    """
    head = writer.text(f"{form.function_open.prefix}{tool.name}{form.function_open.suffixes[0]}")
    if not exact:
        body = writer.rule("body", "/(?s:.*)/", f"[suffix={json.dumps(form.function_close)}]")
        return f"{head} {body}"
    parameters = " ".join(_parameter(form, writer, tool, key) for key in properties(tool))
    return f"{head} {writer.text(form.after_tag)} {parameters} {writer.text(form.function_close)}"


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
    options = schema.get("enum", [schema["const"]] if "const" in schema else None) if isinstance(schema, dict) else None
    if isinstance(options, list) and options:
        texts = [option if isinstance(option, str) else json.dumps(option, ensure_ascii=False) for option in options]
        return f"({' | '.join(writer.text(text) for text in texts)}) {writer.text(closer)}"
    if "string" not in types_of(schema, tool.parameters):
        return f"{writer.json(schema, tool.parameters)} {writer.text(closer)}"
    for word in _UNHELD:
        if isinstance(schema, dict) and word in schema:
            writer.relax(f"{tool.name}.{key}: {word} of a string parameter is not enforced")
    return writer.free(closer)
