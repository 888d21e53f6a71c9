"""The bodies that clients send, in OpenAI's words. What is not named here is refused, never ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

MAX_STOPS = 4
MAX_TOOLS = 128
MAX_METADATA = 16
MAX_MESSAGES = 2_000
LARGEST_INTEGER = 2**31 - 1


class Body(BaseModel):
    """JSON as it is: no number in quotes, no unknown name."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def text_of(content: object) -> object:
    """Join text parts; raises ValueError for parts that are not text."""
    if not isinstance(content, list):
        return content
    texts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") not in TEXT_PARTS or not isinstance(part.get("text"), str):
            raise ValueError("gpt-oss reads text only: each part must be {'type': 'text', 'text': …}")
        texts.append(part["text"])
    return "\n".join(texts)


TEXT_PARTS = ("text", "input_text", "output_text")
PARTS_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"type": {"enum": list(TEXT_PARTS)}, "text": {"type": "string"}},
        "required": ["type", "text"],
    },
}
Content = Annotated[str, BeforeValidator(text_of), WithJsonSchema({"anyOf": [{"type": "string"}, PARTS_SCHEMA]})]
"""Text, or parts that are text; read as one text."""


def only(*values: object) -> Callable[[object], object]:
    """For parameters of OpenAI's that have no effect here: their neutral values are taken, all others refused."""

    def check(value: object) -> object:
        if value is not None and value not in values:
            shown = " or ".join("null" if each is None else repr(each).lower() for each in values) or "null"
            raise ValueError(f"this is not supported; leave it out, or send {shown}")
        return value

    return check


def _neutral(*values: object) -> tuple[AfterValidator, WithJsonSchema]:
    return AfterValidator(only(*values)), WithJsonSchema({"enum": [*values, None]})


No = Annotated[bool | None, *_neutral(False)]
Zero = Annotated[float | None, *_neutral(0)]
Label = Annotated[str | None, Field(max_length=512)]
"""Says something about the request; has no effect on the answer."""

Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]] | None,
    Field(max_length=MAX_METADATA),
]
Effort = Literal["low", "medium", "high"]
Positive = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class Sampled(Body):
    """How the answer is drawn."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(None, description="The model's own by default.")
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = Field(
        None, description="The same seed and prompt give the same answer."
    )
    stop: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=MAX_STOPS, fail_fast=True)]
        | None
    ) = Field(None, description="Texts that end the answer; they are not part of it.")

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class CalledFunction(Body):
    name: Annotated[str, Field(min_length=1, max_length=512)] = Field(description="The model may have invented it.")
    arguments: str = Field(description="JSON text, as the model wrote it.")
    parsed_arguments: object = None


class ToolCall(Body):
    id: Annotated[str, Field(max_length=128)]
    index: int | None = None
    type: Literal["function"] = "function"
    function: CalledFunction


class Message(Body):
    """One message. `reasoning_content` (or `reasoning`) is told again only inside of a tool loop."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(max_length=MAX_TOOLS, fail_fast=True)] | None = None
    tool_call_id: str | None = None
    name: str | None = Field(None, description="Of the function, in a tool's message; else not supported.")
    refusal: Annotated[None, *_neutral()] = None
    annotations: Annotated[Annotated[list[object], Field(max_length=0)] | None, *_neutral([])] = None
    audio: Annotated[None, *_neutral()] = None
    function_call: Annotated[None, *_neutral()] = None
    parsed: object = Field(None, description="What clients add for themselves. No effect.")

    @model_validator(mode="after")
    def _fits_its_role(self) -> Message:
        if self.role != "assistant" and (self.tool_calls or self.reasoning or self.reasoning_content):
            raise ValueError("tool_calls and reasoning belong to messages of the assistant")
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("a tool's message needs the tool_call_id of the call that it answers")
        if self.role != "tool" and (self.name or self.tool_call_id):
            raise ValueError("name and tool_call_id are supported in messages of tools only")
        if self.content is None and not self.tool_calls:
            raise ValueError("content is missing")
        return self


Messages = Annotated[list[Message], Field(max_length=MAX_MESSAGES, fail_fast=True)]


class Function(Body):
    name: Name
    description: str | None = None
    parameters: dict[str, object] | None = Field(None, description="A JSON schema of the arguments.")
    strict: bool | None = Field(None, description="Hold the arguments to the schema while they are written.")


class FunctionTool(Body):
    type: Literal["function"]
    function: Function


class NamedSchema(Body):
    name: Name
    description: str | None = None
    schema_: dict[str, object] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Body):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema goes with the type json_schema, and only with it")
        return self


class StreamOptions(Body):
    include_usage: bool | None = None
    include_obfuscation: No = None


class GenerateBody(Sampled):
    """`prompt` or `messages`, not both."""

    prompt: str | None = None
    messages: Messages | None = Field(None, description="Oldest first, as in /v1/chat/completions.")
    reasoning_effort: Effort | None = None
    max_tokens: Positive | None = Field(None, description="Output tokens at most, thinking included.")
    instructions: str | None = Field(None, description="How the model should answer.")

    @model_validator(mode="after")
    def _has_one_prompt(self) -> GenerateBody:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("send either prompt or messages")
        return self


class ChatCompletionBody(Sampled):
    """What /v1/chat/completions takes."""

    messages: Annotated[Messages, Field(min_length=1)]
    model: str | None = Field(None, description="The served model, see /v1/models; another one is a 404.")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    reasoning_effort: Effort | None = None
    max_tokens: Positive | None = Field(None, description="The older name of max_completion_tokens.")
    max_completion_tokens: Positive | None = Field(None, description="Output tokens at most, thinking included.")
    tools: Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS, fail_fast=True)] | None = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = Field(None, description="gpt-oss makes one call at a time, either way.")
    response_format: ResponseFormat | None = None

    user: Label = None
    safety_identifier: Label = None
    prompt_cache_key: Label = None
    metadata: Metadata = None

    n: Annotated[int | None, *_neutral(1)] = None
    store: No = None
    logprobs: No = None
    top_logprobs: Annotated[int | None, *_neutral(0)] = None
    logit_bias: Annotated[dict[str, object] | None, *_neutral({})] = None
    frequency_penalty: Zero = None
    presence_penalty: Zero = None
    modalities: Annotated[Annotated[list[str], Field(max_length=1, fail_fast=True)] | None, *_neutral(["text"])] = None
    service_tier: Annotated[str | None, *_neutral("auto", "default")] = None
    verbosity: Annotated[str | None, *_neutral("medium")] = None

    @model_validator(mode="after")
    def _has_one_limit(self) -> ChatCompletionBody:
        if self.max_tokens and self.max_completion_tokens and self.max_tokens != self.max_completion_tokens:
            raise ValueError("send max_completion_tokens or max_tokens, not two different ones")
        return self

    @property
    def output_tokens(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens
