"""The llguidance rules of calls with tagged parameters."""

import json
from typing import TYPE_CHECKING, Any

from vivace.chat.conversation import Tool
from vivace.chat.dialects.base import RuleWriter
from vivace.chat.dialects.values import types_of

if TYPE_CHECKING:
    from vivace.chat.dialects.tagged import TaggedDialect

_UNHELD = ("pattern", "format", "minLength", "maxLength")


def call_rule(dialect: "TaggedDialect", writer: RuleWriter, tool: Tool, exact: bool) -> str:
    """One call of `tool`: parameters in the schema's order, optional ones may be left out.

    Without `exact`, anything up to the function's closer.
    """
    n = dialect.newline
    head = writer.text(
        f"{dialect.wrapper_open}{n}{dialect.function_open.prefix}{tool.name}{dialect.function_open.suffix}"
    )
    tail = writer.text(f"{n}{dialect.wrapper_close}")
    if not exact:
        body = writer.rule("body", "/(?s:.*)/", f"[suffix={json.dumps(dialect.function_close)}]")
        return writer.rule("call", f"{head} {body} {tail}")
    parameters = " ".join(_parameter(dialect, writer, tool, key) for key in _properties(tool))
    return writer.rule("call", f"{head} {writer.text(n)} {parameters} {writer.text(dialect.function_close)} {tail}")


def _properties(tool: Tool) -> dict[str, Any]:
    properties = tool.parameters.get("properties")
    return properties if isinstance(properties, dict) else {}


def _parameter(dialect: "TaggedDialect", writer: RuleWriter, tool: Tool, key: str) -> str:
    n = dialect.newline
    opener = writer.text(f"{dialect.parameter_open.prefix}{key}{dialect.parameter_open.suffix}{n}")
    value = _value(writer, tool, key, f"{n}{dialect.parameter_close}{n}")
    rule = writer.rule("parameter", f"{opener} {value}")
    return rule if key in tool.parameters.get("required", ()) else f"{rule}?"


def _value(writer: RuleWriter, tool: Tool, key: str, closer: str) -> str:
    """Value and closer: strings are free text up to the closer, everything else is JSON."""
    schema = _properties(tool)[key]
    options = schema.get("enum", [schema["const"]] if "const" in schema else None) if isinstance(schema, dict) else None
    if isinstance(options, list) and options:
        texts = [option if isinstance(option, str) else json.dumps(option, ensure_ascii=False) for option in options]
        return f"({' | '.join(writer.text(text) for text in texts)}) {writer.text(closer)}"
    if "string" not in types_of(schema, tool.parameters):
        return f"{writer.json(schema, tool.parameters)} {writer.text(closer)}"
    for word in _UNHELD:
        if isinstance(schema, dict) and word in schema:
            writer.relax(f"{tool.name}.{key}: {word} of a string parameter is not enforced")
    return writer.rule("free", "/(?s:.*)/", f"[suffix={json.dumps(closer)}]")
