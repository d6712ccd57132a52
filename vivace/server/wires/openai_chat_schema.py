"""The request body of /v1/chat/completions as OpenAI and the common extensions define it.

Types are strict, unknown fields are ignored, and null stands for "not given" wherever a field is optional. Tags in
angle brackets never appear in the paths of error messages (`request_path`).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

MAX_CHOICES = 16
MAX_STOPS = 16
NAME = r"^[a-zA-Z0-9_.\-]{1,128}$"  # OpenAI allows 64 characters and no dots; tools from MCP servers have both


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class TextPart(Body):
    type: Literal["text"]
    text: str


class RefusalPart(Body):
    type: Literal["refusal"]
    refusal: str


class OtherPart(Body):
    """An image, sound or file; whether the model can take it is not a question of types."""

    type: str


def _part_tag(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    return f"<{kind}>" if kind in ("text", "refusal") else "<other>"


def _string_or_list(value: Any) -> str:
    return "<list>" if isinstance(value, list) else "<string>"


def _string_or_object(value: Any) -> str:
    return "<object>" if isinstance(value, dict) else "<string>"


Part = Annotated[
    Annotated[TextPart, Tag("<text>")]
    | Annotated[RefusalPart, Tag("<refusal>")]
    | Annotated[OtherPart, Tag("<other>")],
    Discriminator(_part_tag),
]
Content = Annotated[
    Annotated[str, Tag("<string>")] | Annotated[list[Part], Tag("<list>")],
    Discriminator(_string_or_list),
]
StopString = Annotated[str, Field(min_length=1)]
Stop = Annotated[
    Annotated[StopString, Tag("<string>")] | Annotated[list[StopString], Field(max_length=MAX_STOPS), Tag("<list>")],
    Discriminator(_string_or_list),
]


class CalledFunction(Body):
    name: str
    arguments: str = Field(description="the arguments' JSON text")


class Call(Body):
    id: str
    type: Literal["function"] | None = "function"
    function: CalledFunction


class ChatMessage(Body):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content | None = None
    name: str | None = None
    reasoning_content: str | None = Field(None, description="of an assistant's earlier turn")
    reasoning: str | None = Field(None, description="another name of reasoning_content")
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None
    function_call: CalledFunction | None = Field(None, description="deprecated: tool_calls")


class Function(Body):
    name: str = Field(pattern=NAME)
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="JSON schema of an object; none: no arguments")
    strict: bool | None = None


class FunctionTool(Body):
    type: Literal["function"]
    function: Function


class FunctionName(Body):
    name: str


class NamedTool(Body):
    type: Literal["function"]
    function: FunctionName


ToolChoiceField = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("<string>")] | Annotated[NamedTool, Tag("<object>")],
    Discriminator(_string_or_object),
]
FunctionCallField = Annotated[
    Annotated[Literal["none", "auto"], Tag("<string>")] | Annotated[FunctionName, Tag("<object>")],
    Discriminator(_string_or_object),
]


class JsonSchema(Body):
    name: str | None = Field(None, pattern=NAME)
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema", description="JSON schema; none: any JSON object")
    strict: bool | None = None


class ResponseFormatField(Body):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Body):
    include_usage: bool | None = None


class ChatRequest(Body):
    """Sampling fields that are not given take the model's own defaults (its generation_config)."""

    model: str | None = Field(None, description="id from /v1/models; none: the default model")
    messages: list[ChatMessage] = Field(min_length=1)
    temperature: float | None = Field(None, ge=0, le=2, description="0 is greedy")
    top_p: float | None = Field(None, ge=0, le=1, description="0 leaves the one best token: greedy")
    top_k: int | None = Field(None, ge=-1, le=2**31 - 1, description="0 and -1: all")
    min_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, ge=0.01, le=100)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = Field(None, description="by token id")
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1, description="modulo 2^32; choice i uses seed + i")
    max_tokens: int | None = Field(None, ge=1, description="deprecated: max_completion_tokens")
    max_completion_tokens: int | None = Field(None, ge=1, description="at most what the context has left")
    stop: Stop | None = None
    n: int | None = Field(None, ge=1, le=MAX_CHOICES)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20, description="needs logprobs")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[FunctionTool] | None = Field(None, max_length=1024)
    tool_choice: ToolChoiceField | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = Field(None, max_length=1024, description="deprecated: tools")
    function_call: FunctionCallField | None = Field(None, description="deprecated: tool_choice")
    response_format: ResponseFormatField | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    enable_thinking: bool | None = Field(None, description="whether the model shall reason; none: as its template says")
    thinking_token_budget: int | None = Field(
        None, ge=-1, description="tokens of reasoning, after which it is ended (vLLM's name); 0: none, -1: no limit"
    )
    thinking_budget: int | None = Field(None, ge=-1, description="another name of thinking_token_budget (Qwen's)")
    chat_template_kwargs: dict[str, Any] | None = None
    user: str | None = None
    prompt_cache_key: str | None = Field(
        None, max_length=512, description="the conversation that this belongs to; none: as its headers say"
    )
    cache_salt: str | None = Field(
        None, min_length=1, max_length=512, description="shares cached prompts only with the same salt (vLLM's name)"
    )
    metadata: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]] | None = Field(
        None, max_length=16
    )


def request_path(loc: tuple[str | int, ...]) -> str:
    """Pydantic's location as a path in the client's JSON."""
    return ".".join(str(part) for part in loc if not str(part).startswith("<"))
