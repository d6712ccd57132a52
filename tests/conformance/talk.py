"""Asking through the OpenAI SDK, and what was said, whether it came whole or streamed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.chat_completion_token_logprob import ChatCompletionTokenLogprob

from tests.conformance.server import MODEL

JSON = dict[str, Any]
STORY = "Tell me a short story about a fox."  # an open question: what is drawn decides
SUM = "What is 12 + 30?"
NOTES = "Here are some notes.\n{}\nThe keeper of the archive is Morel.\n\n"
CODE = "The access code for the east gate is 48213."
NEVER_STOP: JSON = {"logit_bias": {"8182": -100, "8180": -100}}  # its stop tokens
ASK_CODE = "What is the access code for the east gate?"


def user(text: str) -> list[JSON]:
    return [{"role": "user", "content": text}]


def body(messages: list[JSON] | str, *, thinking: bool | None = False, **fields: Any) -> JSON:
    """The JSON of a request, greedy unless it says otherwise."""
    given = user(messages) if isinstance(messages, str) else messages
    reasoning = {} if thinking is None else {"enable_thinking": thinking}
    return {"model": MODEL, "messages": given, "temperature": 0, "max_tokens": 200, **reasoning, **fields}


EXTENSIONS = (
    *("enable_thinking", "chat_template_kwargs", "thinking_budget", "thinking_token_budget"),
    *("top_k", "min_p", "repetition_penalty"),
)


def arguments(messages: list[JSON] | str, **fields: Any) -> JSON:
    """The same for the SDK, which takes what OpenAI does not know as `extra_body`."""
    request = body(messages, **fields)
    extra = {name: request.pop(name) for name in EXTENSIONS if name in request}
    return {**request, "extra_body": extra}


def ask(client: OpenAI, messages: list[JSON] | str, **fields: Any) -> ChatCompletion:
    completion = client.chat.completions.create(**arguments(messages, **fields))
    assert isinstance(completion, ChatCompletion)
    return completion


def stream(client: OpenAI, messages: list[JSON] | str, **fields: Any) -> list[ChatCompletionChunk]:
    return list(client.chat.completions.create(**arguments(messages, **fields), stream=True))


@dataclass
class Said:
    """One choice. `calls`: (name, arguments' JSON text) of each."""

    content: str = ""
    reasoning: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    finish_reason: str | None = None
    logprobs: list[ChatCompletionTokenLogprob] = field(default_factory=list)


def said(completion: ChatCompletion, index: int = 0) -> Said:
    choice = completion.choices[index]
    message = choice.message
    return Said(
        content=message.content or "",
        reasoning=getattr(message, "reasoning_content", None) or "",
        calls=[(call.function.name, call.function.arguments) for call in message.tool_calls or []],
        finish_reason=choice.finish_reason,
        logprobs=(choice.logprobs and choice.logprobs.content) or [],
    )


def assembled(chunks: Iterable[ChatCompletionChunk], index: int = 0) -> Said:
    """What a client of the stream ends up with. Names come once, in the first delta of their call."""
    total = Said()
    for choice in (choice for chunk in chunks for choice in chunk.choices if choice.index == index):
        assert total.finish_reason is None, "the end of a choice is its last chunk"
        delta = choice.delta
        total.content += delta.content or ""
        total.reasoning += getattr(delta, "reasoning_content", None) or ""
        total.logprobs += (choice.logprobs and choice.logprobs.content) or []
        total.finish_reason = choice.finish_reason
        for call in delta.tool_calls or []:
            if call.function.name is not None:
                assert (call.index, call.type, bool(call.id)) == (len(total.calls), "function", True)
                total.calls.append((call.function.name, ""))
            else:
                assert call.id is None
            name, so_far = total.calls[call.index]
            total.calls[call.index] = (name, so_far + (call.function.arguments or ""))
    return total


def tool(name: str, description: str, properties: JSON, *, strict: bool = False) -> JSON:
    """A function all of whose arguments are required."""
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function | ({"strict": True} if strict else {})}


WEATHER = tool("get_weather", "Get the current weather for a city", {"city": {"type": "string"}})
READ = tool("read_file", "Read a file", {"path": {"type": "string", "description": "Path of the file"}})
ASK_WEATHER = "What is the weather in Lisbon?"


def schema_format(schema: JSON, **fields: Any) -> JSON:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, **fields}}


def spent(usage: Any) -> JSON:
    """Usage without what depends on who asked before: how much was in the cache."""
    return {**usage.model_dump(), "prompt_tokens_details": None}
