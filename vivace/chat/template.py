"""Chat templates: Jinja as transformers configures it, and conversations as templates expect them."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from vivace.chat.conversation import JSON, Conversation, Message, Options, Tool
from vivace.chat.facts import CheckpointError
from vivace.errors import VivaceError, invalid

# What the template does with system messages: takes them anywhere, only one at the start, or none.
SystemSupport = Literal["anywhere", "first", "none"]
_OURS = ("messages", "tools", "add_generation_prompt")


class _GenerationTag(Extension):
    """`{% generation %}…{% endgeneration %}` marks training targets: here it is its body."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """One template and the special tokens that it may name."""

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        """
        Raises:
            CheckpointError: the template is no valid Jinja.
        """
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, loopcontrols]
        )
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = _strftime_now
        try:
            self._template = environment.from_string(source)
        except TemplateSyntaxError as error:
            raise CheckpointError(f"The chat template is no valid Jinja (line {error.lineno}): {error}") from error
        self._special_tokens = dict(special_tokens)
        self.system = self._probe_system()

    def render(
        self, messages: list[JSON], tools: list[JSON] | None, kwargs: Mapping[str, Any], *, generation: bool = True
    ) -> str:
        """The prompt, up to where the assistant's answer begins, or without `generation` to the last message's end.

        Raises:
            VivaceError: the template refuses the conversation; the message is its own.
        """
        values = {**self._special_tokens, **kwargs, "add_generation_prompt": generation}
        try:
            return self._template.render(messages=messages, tools=tools, **values)
        except TemplateError as error:
            raise invalid(f"The model's chat template refuses this conversation: {error}", "messages") from error
        except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
            raise invalid(f"The model's chat template cannot render this conversation: {error}", "messages") from error

    def _probe_system(self) -> SystemSupport:
        first = [_text("system", "S-one"), _text("user", "U-one")]
        later = [*first, _text("assistant", "A-one"), _text("system", "S-two"), _text("user", "U-two")]
        if self._shows(later, ("S-one", "U-one", "A-one", "S-two", "U-two")):
            return "anywhere"
        return "first" if self._shows(first, ("S-one", "U-one")) else "none"

    def _shows(self, messages: list[JSON], texts: tuple[str, ...]) -> bool:
        """Whether all of `texts` are rendered, in this order."""
        try:
            prompt = self.render(messages, None, {})
        except VivaceError:
            return False
        places = [prompt.find(text) for text in texts]
        return -1 not in places and places == sorted(places)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own escapes HTML, which models were not trained on."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)


def template_messages(conversation: Conversation, system: SystemSupport) -> list[JSON]:
    """The turns as chat templates expect them.

    Where the template takes only one system message, all of them are merged into it, in order; where it takes none,
    they go in front of the first user message.
    """
    names = {call.id: call.name for message in conversation.messages for call in message.tool_calls}
    messages = [_message(message, names) for message in conversation.messages]
    if system == "anywhere":
        return messages
    system_text = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    others = [m for m in messages if m["role"] != "system"]
    if not system_text:
        return others
    if system == "first":
        return [_text("system", system_text), *others]
    if others and others[0]["role"] == "user":
        return [_text("user", f"{system_text}\n\n{others[0]['content']}"), *others[1:]]
    return [_text("user", system_text), *others]


def opening(conversation: Conversation, system: SystemSupport, question: str) -> list[JSON]:
    """As a conversation with the same system messages begins, with another first question."""
    is_system = [message.role == "system" for message in conversation.messages]
    leading = is_system.index(False) if system == "anywhere" and False in is_system else len(is_system)
    systems = [message for message, kept in zip(conversation.messages[:leading], is_system, strict=False) if kept]
    return template_messages(Conversation((*systems, Message("user", question))), system)


def _text(role: str, content: str) -> JSON:
    return {"role": role, "content": content}


def _message(message: Message, names: Mapping[str, str]) -> JSON:
    value = _text(message.role, message.content)
    if message.reasoning is not None:
        value["reasoning_content"] = message.reasoning
    if message.tool_calls:
        value["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": _arguments(c.arguments)}}
            for c in message.tool_calls
        ]
    if message.tool_call_id is not None:
        value["tool_call_id"] = message.tool_call_id
    name = message.name or names.get(message.tool_call_id or "")
    if name is not None:
        value["name"] = name
    return value


def _arguments(text: str) -> Any:
    """Templates walk through a mapping; what is no JSON object stays the text it is."""
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, dict):
        return text
    return _without_surrogates(value) if "\\ud" in text.lower() else value


def _without_surrogates(value: JSON) -> Any:
    """Half a surrogate pair, which JSON may hold as an escape, is no text that can be tokenized."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def template_tools(tools: tuple[Tool, ...]) -> list[JSON] | None:
    """Tools as OpenAI writes them, in the client's order."""
    return [_tool(tool) for tool in tools] or None


def _tool(tool: Tool) -> JSON:
    function: JSON = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    return {"type": "function", "function": {**function, "parameters": tool.parameters}}


def template_kwargs(options: Options) -> JSON:
    """Variables for the template: the options about thinking, then the client's own, which win.

    Raises:
        VivaceError: the client names a variable that is ours.
    """
    for name in options.template_kwargs:
        if name in _OURS:
            raise invalid(f"{name} is set by the server; leave it out.", f"chat_template_kwargs.{name}")
    kwargs: JSON = {}
    if options.reasoning_effort is not None:
        kwargs["reasoning_effort"] = options.reasoning_effort
        if options.reasoning_effort == "none":
            kwargs["enable_thinking"] = False
    if options.thinking is not None:
        kwargs["enable_thinking"] = options.thinking
    return {**kwargs, **options.template_kwargs}
