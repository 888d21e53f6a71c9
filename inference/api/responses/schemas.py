"""The body that POST /v1/responses takes, in OpenAI's words. What is not named here is refused, never ignored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from inference.api.schemas import MAX_MESSAGES, MAX_TOOLS, Body, Content, Effort, Label, Metadata, Name, No, Positive

Status = Literal["in_progress", "completed", "incomplete"]
CallId = Annotated[str, Field(min_length=1, max_length=128)]


class Item(Body):
    """What a conversation consists of. null is as good as nothing; `id` and `status` have no effect."""

    id: Label = None
    status: Status | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        return {name: each for name, each in value.items() if each is not None} if isinstance(value, dict) else value


class MessageItem(Item):
    """A message; one of the assistant may be what it said before a call (`phase` commentary) or its answer."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    phase: Literal["commentary", "final_answer"] | None = None


class ReasoningText(Body):
    type: Literal["reasoning_text"]
    text: str


class ReasoningItem(Item):
    """What the model thought; told again only inside of a tool loop."""

    type: Literal["reasoning"]
    content: Annotated[list[ReasoningText], Field(max_length=100, fail_fast=True)] | None = None
    summary: Annotated[list[object], Field(max_length=0)] | None = Field(None, description="Not supported: empty.")

    @property
    def text(self) -> str:
        return "\n\n".join(part.text for part in self.content or [])


class FunctionCallItem(Item):
    type: Literal["function_call"]
    call_id: CallId
    name: Annotated[str, Field(min_length=1)]
    arguments: str = Field(description="JSON text, as the model wrote it.")


class FunctionCallOutputItem(Item):
    """What the function gave, for the call with this `call_id`."""

    type: Literal["function_call_output"]
    call_id: CallId
    output: Content


def _tag(item: object) -> str | None:
    """Not an identifier, so that an error's place does not show it."""
    kind = item.get("type", "message") if isinstance(item, dict) else getattr(item, "type", None)
    return f"{kind} item" if isinstance(kind, str) else None


AnyItem = Annotated[
    Annotated[MessageItem, Tag("message item")]
    | Annotated[ReasoningItem, Tag("reasoning item")]
    | Annotated[FunctionCallItem, Tag("function_call item")]
    | Annotated[FunctionCallOutputItem, Tag("function_call_output item")],
    Discriminator(
        _tag,
        custom_error_type="invalid_item",
        custom_error_message="the types of items are message, reasoning, function_call and function_call_output",
    ),
]
ITEMS: TypeAdapter[list[AnyItem]] = TypeAdapter(list[AnyItem])


class ResponseTool(Body):
    """A function, in the flat shape of this endpoint."""

    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: dict[str, object] | None = Field(None, description="A JSON schema of the arguments.")
    strict: bool | None = Field(None, description="Hold the arguments to the schema while they are written.")


class Reasoning(Body):
    effort: Effort | None = None
    summary: Literal["auto"] | None = Field(None, description="The reasoning itself is delivered, in full.")


class TextFormat(Body):
    """Text, any JSON object, or one that obeys a schema."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: Name | None = None
    description: str | None = None
    schema_: dict[str, object] | None = Field(default=None, alias="schema")
    strict: bool | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> TextFormat:
        has_schema = self.name is not None and self.schema_ is not None
        if self.type == "json_schema" and not has_schema:
            raise ValueError("json_schema needs a name and a schema")
        if self.type != "json_schema" and self.model_fields_set - {"type"}:
            raise ValueError("name, description, schema and strict go with the type json_schema only")
        return self


class TextConfig(Body):
    format: TextFormat | None = None
    verbosity: Literal["medium"] | None = None


class ResponseStreamOptions(Body):
    include_obfuscation: No = None


class ResponseBody(Body):
    """What /v1/responses takes."""

    input: str | Annotated[list[AnyItem], Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True)] = Field(
        description="The prompt, or what the conversation consists of, oldest first."
    )
    model: str | None = Field(None, description="The served model, see /v1/models; another one is a 404.")
    instructions: str | None = Field(None, description="How the model should answer; for this response alone.")
    previous_response_id: str | None = Field(None, description="The stored response that this one goes on from.")
    store: bool | None = Field(None, description="Keep the response, to read it later or go on from it.")
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    reasoning: Reasoning | None = None
    text: TextConfig | None = None
    tools: Annotated[list[ResponseTool], Field(max_length=MAX_TOOLS, fail_fast=True)] | None = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = Field(None, description="gpt-oss makes one call at a time, either way.")
    max_output_tokens: Positive | None = Field(None, description="Output tokens at most, reasoning included.")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(None, description="The model's own by default.")
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    truncation: Literal["auto", "disabled"] | None = Field(
        None, description="disabled: refuse what does not fit. auto: leave out earlier turns, oldest first."
    )
    include: Annotated[list[Literal["reasoning.encrypted_content"]], Field(max_length=1, fail_fast=True)] | None = (
        Field(None, description="Has no effect: the reasoning is delivered in full.")
    )

    metadata: Metadata = None
    user: Label = None
    safety_identifier: Label = None
    prompt_cache_key: Label = None
    service_tier: Literal["auto", "default"] | None = None

    background: No = None
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = None
    max_tool_calls: None = None
    conversation: None = None
    prompt: None = None

    @property
    def items(self) -> list[AnyItem]:
        return [MessageItem(role="user", content=self.input)] if isinstance(self.input, str) else self.input

    @property
    def format(self) -> TextFormat:
        return (self.text and self.text.format) or TextFormat()

    @property
    def is_stored(self) -> bool:
        return self.store is not False
