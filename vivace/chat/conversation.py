"""What a client asks for, in our own words: every wire decodes into these, and only these."""

from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
JSON = dict[str, Any]


@dataclass(frozen=True)
class ToolCall:
    """A call that the assistant made earlier. `arguments` is the JSON text exactly as the client sent it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Message:
    """One turn. `content` is text (wires join text parts, and refuse parts that the model cannot take)."""

    role: Role
    content: str = ""
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Tool:
    """A function that the model may call. `parameters` is a JSON schema of an object."""

    name: str
    description: str | None = None
    parameters: JSON = field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool = False


@dataclass(frozen=True)
class ToolChoice:
    """`mode` "named" forces the one tool called `name`."""

    mode: Literal["auto", "none", "required", "named"] = "auto"
    name: str | None = None


@dataclass(frozen=True)
class ResponseFormat:
    """`schema` None with mode "json" is any JSON object."""

    mode: Literal["text", "json"] = "text"
    schema: JSON | None = None


@dataclass(frozen=True)
class Conversation:
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool = True
    response_format: ResponseFormat = ResponseFormat()


@dataclass(frozen=True)
class Options:
    """How to answer. None: the model's own default (its generation_config), else the neutral value.

    `stop`: strings that end the answer and are not part of it. `top_logprobs`: None is no logprobs, 0 only those of
    the drawn tokens. `thinking`: whether the model shall reason; None leaves it to the template. `thinking_budget`:
    tokens of reasoning, after which it is ended; None is no limit. `template_kwargs` are handed to the chat template as
    they are. `session`: the conversation that the request belongs to, as the client names it; `cache_salt`: what has
    another one shares no cached prompt.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[int, float] = field(default_factory=dict)
    seed: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    top_logprobs: int | None = None
    thinking: bool | None = None
    thinking_budget: int | None = None
    reasoning_effort: str | None = None
    template_kwargs: JSON = field(default_factory=dict)
    user: str | None = None
    session: str = ""
    cache_salt: str = ""
