"""From a chat completion's body to a Conversation and Options, or to a 400 that names the field."""

import dataclasses
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from vivace.chat.conversation import Conversation, Message, Options, ResponseFormat, Role, Tool, ToolCall, ToolChoice
from vivace.errors import invalid
from vivace.server.wires import openai_chat_schema as schema

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
MAY_BE_EMPTY = frozenset({"assistant", "tool", "function"})  # calls alone; tools that return nothing


@dataclass(frozen=True)
class ChatCall:
    """A decoded request. `legacy`: it used `functions`, so calls go back as `function_call`."""

    model: str | None
    conversation: Conversation
    options: Options
    stream: bool
    include_usage: bool
    legacy: bool


def decode(body: dict[str, Any], session: str = "") -> ChatCall:
    """`session`: what the headers say, for a body without a word about it.

    Raises:
        VivaceError: a field has the wrong type or value; `param` is its path.
    """
    request = validated(body)
    return ChatCall(
        model=request.model,
        conversation=_conversation(request),
        options=_options(request, session),
        stream=bool(request.stream),
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        legacy=request.functions is not None and not request.tools,
    )


def validated(body: dict[str, Any]) -> schema.ChatRequest:
    try:
        return schema.ChatRequest.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = schema.request_path(first["loc"])
        reason = _REASONS.get(first["type"], first["msg"])
        raise invalid(f"{path}: {reason}", path) from None


# Where pydantic speaks of Python instead of JSON.
_REASONS = {"model_type": "Input should be an object", "dict_type": "Input should be an object"}


def _conversation(request: schema.ChatRequest) -> Conversation:
    tools = _tools(request)
    return Conversation(
        messages=_messages(request.messages),
        tools=tools,
        tool_choice=_tool_choice(request, tools),
        parallel_tool_calls=request.parallel_tool_calls is not False and not request.functions,
        response_format=_response_format(request.response_format),
    )


def _messages(given: list[schema.ChatMessage]) -> tuple[Message, ...]:
    decoded: list[Message] = []
    known: set[str] = set()
    for index, message in enumerate(given):
        path = f"messages.{index}"
        decoded.append(_message(message, path))
        known.update(call.id for call in decoded[-1].tool_calls)
        if decoded[-1].role == "tool":
            _check_answers_a_call(message, known, path)
    return tuple(decoded)


def _message(message: schema.ChatMessage, path: str) -> Message:
    if message.content is None and message.role not in MAY_BE_EMPTY:
        raise invalid(f"{path}.content: a {message.role} message needs content", f"{path}.content")
    assistant = message.role == "assistant"
    return Message(
        role=ROLES[message.role],
        content=_text(message.content, f"{path}.content"),
        reasoning=(message.reasoning_content or message.reasoning) if assistant else None,
        tool_calls=_calls(message) if assistant else (),
        tool_call_id=_legacy_id(message.name) if message.role == "function" else message.tool_call_id,
        name=message.name,
    )


def _text(content: "str | list[Any] | None", path: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(_part_text(part, f"{path}.{index}") for index, part in enumerate(content))


def _part_text(part: schema.TextPart | schema.RefusalPart | schema.OtherPart, path: str) -> str:
    match part:
        case schema.TextPart():
            return part.text
        case schema.RefusalPart():
            return part.refusal
    raise invalid(
        f"{path}: this model takes text only, not content parts of type {json.dumps(part.type)}",
        f"{path}.type",
        "unsupported_content_part",
    )


def _calls(message: schema.ChatMessage) -> tuple[ToolCall, ...]:
    calls = [ToolCall(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or []]
    if message.function_call and not calls:
        called = message.function_call
        calls = [ToolCall(_legacy_id(called.name), called.name, called.arguments)]
    return tuple(calls)


def _legacy_id(name: str | None) -> str:
    """Calls of the `functions` days have no id; their results are matched by the function's name."""
    return f"call_{name}"


def _check_answers_a_call(message: schema.ChatMessage, known: set[str], path: str) -> None:
    if message.role == "function":
        if _legacy_id(message.name) not in known:
            raise invalid(f"{path}.name: no earlier assistant message calls {json.dumps(message.name)}", f"{path}.name")
    elif message.tool_call_id is None:
        raise invalid(f"{path}.tool_call_id: a tool message needs the id of its call", f"{path}.tool_call_id")
    elif message.tool_call_id not in known:
        raise invalid(
            f"{path}.tool_call_id: no earlier assistant message has a tool call {json.dumps(message.tool_call_id)}",
            f"{path}.tool_call_id",
        )


def _tools(request: schema.ChatRequest) -> tuple[Tool, ...]:
    if request.tools:
        named = [(f"tools.{index}.function", tool.function) for index, tool in enumerate(request.tools)]
    else:
        named = [(f"functions.{index}", function) for index, function in enumerate(request.functions or [])]
    _check_unique((path, function.name) for path, function in named)
    return tuple(_tool(function, path) for path, function in named)


def _check_unique(named: Iterable[tuple[str, str]]) -> None:
    seen: set[str] = set()
    for path, name in named:
        if name in seen:
            raise invalid(f"{path}.name: there are two tools called {json.dumps(name)}", f"{path}.name")
        seen.add(name)


def _tool(function: schema.Function, path: str) -> Tool:
    if not function.parameters:  # none, or {}: a function without arguments
        return Tool(function.name, function.description, strict=bool(function.strict))
    _check_parameters(function.parameters, f"{path}.parameters")
    return Tool(function.name, function.description, function.parameters, bool(function.strict))


def _check_parameters(parameters: dict[str, Any], path: str) -> None:
    """The frame that dialects rely on; what is unusual deeper inside is relaxed by the grammar, not refused."""
    if parameters.get("type", "object") != "object":
        raise invalid(f"{path}.type: the schema of a tool's arguments must be of type object", f"{path}.type")
    properties = parameters.get("properties")
    if properties is not None and not isinstance(properties, dict):
        raise invalid(f"{path}.properties: must be an object of schemas", f"{path}.properties")
    for name, member in (properties or {}).items():
        if not isinstance(member, dict | bool):
            raise invalid(f"{path}.properties.{name}: must be a JSON schema", f"{path}.properties.{name}")
    required = parameters.get("required")
    if required is not None and not (isinstance(required, list) and all(isinstance(name, str) for name in required)):
        raise invalid(f"{path}.required: must be a list of strings", f"{path}.required")


def _tool_choice(request: schema.ChatRequest, tools: tuple[Tool, ...]) -> ToolChoice:
    legacy = request.tool_choice is None and request.function_call is not None
    field = "function_call" if legacy else "tool_choice"
    given = request.function_call if legacy else request.tool_choice
    if given is None or isinstance(given, str):
        return _choice_by_mode(given or "auto", tools, field)
    name = given.function.name if isinstance(given, schema.NamedTool) else given.name
    if name not in {tool.name for tool in tools}:
        path = f"{field}.name" if legacy else f"{field}.function.name"
        raise invalid(f"{path}: there is no tool called {json.dumps(name)} among the tools", path)
    return ToolChoice("named", name)


def _choice_by_mode(mode: Any, tools: tuple[Tool, ...], field: str) -> ToolChoice:
    if mode == "required" and not tools:
        raise invalid(f"{field}: required, but there are no tools", field)
    return ToolChoice(mode)


def _response_format(given: schema.ResponseFormatField | None) -> ResponseFormat:
    if given is None or given.type == "text":
        return ResponseFormat()
    if given.type == "json_object":
        return ResponseFormat("json")
    if given.json_schema is None:
        path = "response_format.json_schema"
        raise invalid(f"{path}: type json_schema needs it", path)
    return ResponseFormat("json", given.json_schema.schema_)


def _options(request: schema.ChatRequest, session: str) -> Options:
    template_kwargs = dict(request.chat_template_kwargs or {})
    options = Options(
        max_tokens=request.max_completion_tokens or request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=None if request.top_k is None else max(0, request.top_k),
        min_p=request.min_p,
        repetition_penalty=request.repetition_penalty,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        logit_bias=_logit_bias(request.logit_bias or {}),
        seed=None if request.seed is None else request.seed % 2**32,
        stop=(request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ()),
        n=request.n or 1,
        top_logprobs=_top_logprobs(request),
        thinking=_thinking(request, template_kwargs),
        thinking_budget=_thinking_budget(request),
        reasoning_effort=request.reasoning_effort,
        template_kwargs=template_kwargs,
        user=request.user,
        session=request.prompt_cache_key or session,
        cache_salt=request.cache_salt or "",
    )
    return dataclasses.replace(options, temperature=0.0, top_p=None) if request.top_p == 0 else options


def _logit_bias(given: dict[str, float]) -> dict[int, float]:
    for key in given:
        if not re.fullmatch(r"[0-9]{1,9}", key):
            raise invalid(f"logit_bias: {json.dumps(key)} is no token id", f"logit_bias.{key}")
    return {int(key): bias for key, bias in given.items()}


def _top_logprobs(request: schema.ChatRequest) -> int | None:
    if request.logprobs:
        return request.top_logprobs or 0
    if request.top_logprobs is not None:
        raise invalid("top_logprobs: needs logprobs to be true", "top_logprobs")
    return None


def _thinking(request: schema.ChatRequest, template_kwargs: dict[str, Any]) -> bool | None:
    """The most explicit word counts; effort "none" is one too, and so is a budget of nothing."""
    said = template_kwargs.pop("enable_thinking", None)
    if said is not None and not isinstance(said, bool):
        path = "chat_template_kwargs.enable_thinking"
        raise invalid(f"{path}: must be true or false", path)
    if request.enable_thinking is not None:
        return request.enable_thinking
    if said is not None:
        return said
    if _thinking_budget(request) == 0:
        return False
    return None if request.reasoning_effort is None else request.reasoning_effort != "none"


def _thinking_budget(request: schema.ChatRequest) -> int | None:
    given = request.thinking_token_budget
    budget = request.thinking_budget if given is None else given
    return None if budget == -1 else budget
