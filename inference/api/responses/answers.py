"""What the endpoints of /v1/responses answer, for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field

from inference.api.answers import Shape
from inference.api.responses.schemas import Reasoning, ReasoningText, ResponseTool, Status, TextConfig


class OutputReasoning(Shape):
    """What the model thought, in full."""

    id: str
    type: Literal["reasoning"]
    status: Status
    summary: Annotated[list[None], Field(max_length=0)]
    content: list[ReasoningText]


class OutputText(Shape):
    type: Literal["output_text"]
    text: str
    annotations: Annotated[list[None], Field(max_length=0)]
    logprobs: Annotated[list[None], Field(max_length=0)]


class OutputMessage(Shape):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: Status
    content: list[OutputText]
    phase: Literal["commentary"] = Field("commentary", description="On what is said before a call.")


class OutputCall(Shape):
    id: str
    type: Literal["function_call"]
    status: Status
    call_id: str
    name: str
    arguments: str = Field(description="JSON text, as the model wrote it.")


class InputTokens(Shape):
    cached_tokens: int
    cache_write_tokens: int


class OutputTokens(Shape):
    reasoning_tokens: int


class ResponseUsage(Shape):
    input_tokens: int
    input_tokens_details: InputTokens
    output_tokens: int
    output_tokens_details: OutputTokens
    total_tokens: int


class ResponseError(Shape):
    code: Literal["server_error", "invalid_prompt"]
    message: str


class IncompleteDetails(Shape):
    reason: Literal["max_output_tokens"]


class Response(Shape):
    """What was asked for, what came of it, and what it took."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Literal["in_progress", "completed", "incomplete", "failed"]
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    model: str
    output: list[Annotated[OutputReasoning | OutputMessage | OutputCall, Discriminator("type")]]
    usage: ResponseUsage | None
    dropped_turns: int = Field(0, description="Earlier turns that did not fit, and were left out, oldest first.")
    instructions: str | None
    previous_response_id: str | None
    max_output_tokens: int | None
    max_tool_calls: None
    temperature: float
    top_p: float
    top_logprobs: Literal[0]
    reasoning: Reasoning
    text: TextConfig
    tools: list[ResponseTool]
    tool_choice: Literal["none", "auto"]
    parallel_tool_calls: bool
    truncation: Literal["auto", "disabled"]
    store: bool
    background: Literal[False]
    service_tier: Literal["default"]
    metadata: dict[str, str]
    user: str | None
    safety_identifier: str | None
    prompt_cache_key: str | None


class DeletedResponse(Shape):
    id: str
    object: Literal["response"]
    deleted: Literal[True]


class ResponseEvent(Shape):
    """One event of a stream; each type has the further fields that OpenAI's clients know it by.

    Items: response.output_item.added and .done. Their text: response.content_part.added and .done,
    response.reasoning_text.delta and .done, response.output_text.delta and .done. Calls:
    response.function_call_arguments.delta and .done. The whole response: response.created, .in_progress, and at
    the end .completed, .incomplete, or `error` and response.failed.
    """

    model_config = ConfigDict(extra="allow")

    type: str
    sequence_number: int = Field(description="From 0 on, without a gap.")
