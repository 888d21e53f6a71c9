"""What the endpoints answer, for the OpenAPI document. No answer is made of these; the tests hold them to it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, RootModel


class Shape(BaseModel):
    """All that is there: an answer with a field that is not named is a mistake."""

    model_config = ConfigDict(extra="forbid")


class ErrorFacts(Shape):
    """What went wrong, and in `message` what to do next."""

    message: str
    type: Literal["invalid_request_error", "rate_limit_error", "server_error"]
    param: str | None = Field(description="The parameter at fault, as one would write it: `messages[0].content`.")
    code: str | None
    state: str = Field("", description="With 503: what the engine is doing, such as loading.")
    detail: str = Field("", description="With 503: the same in words, with its progress.")


class Error(Shape):
    error: ErrorFacts


class CompletionTokens(Shape):
    reasoning_tokens: int


class Usage(Shape):
    """Tokens; those that frame the messages count as completion."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    completion_tokens_details: CompletionTokens


class StartEvent(Shape):
    """The request is admitted."""

    event: Literal["start"]
    model: str
    prompt_tokens: int
    max_tokens: int = Field(description="Output tokens at most, thinking included.")


class TextEvent(Shape):
    """More of the thinking (`analysis`) or of the answer (`final`)."""

    event: Literal["analysis", "final"]
    text: str


class ErrorEvent(Shape):
    """It broke after the start; `done` follows all the same."""

    event: Literal["error"]
    error: ErrorFacts


class Timings(Shape):
    """Counted from the request to the engine; null where it did not come to it."""

    first_token_seconds: float | None
    thinking_seconds: float | None
    total_seconds: float
    tokens_per_second: float | None


class Truncated(Shape):
    dropped_turns: int = Field(description="Earlier turns that did not fit, and were left out, oldest first.")


class DoneEvent(Shape):
    """The last one. `length`: max_tokens was reached."""

    event: Literal["done"]
    outcome: Literal["complete", "length", "stopped", "failed"]
    usage: Usage
    timings: Timings
    truncated: Truncated


class GenerateEvent(RootModel[Annotated[StartEvent | TextEvent | ErrorEvent | DoneEvent, Discriminator("event")]]):
    """`start`, then `analysis` and `final` as they are written, then `done`; `error` before it if it broke."""


class CalledFunctionText(Shape):
    name: str
    arguments: str = Field(description="JSON text, as the model wrote it.")


class Call(Shape):
    id: str
    type: Literal["function"]
    function: CalledFunctionText


class AssistantMessage(Shape):
    role: Literal["assistant"]
    content: str | None
    reasoning_content: str | None = Field(description="What the model thought before.")
    reasoning: str | None = Field(description="The same, under its other name.")
    tool_calls: list[Call] = Field([], description="Only where functions are called.")


FinishReason = Literal["stop", "length", "tool_calls"]


class Choice(Shape):
    index: Literal[0]
    message: AssistantMessage
    logprobs: None
    finish_reason: FinishReason


class ChatCompletion(Shape):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: Annotated[list[Choice], Field(min_length=1, max_length=1)]
    usage: Usage
    dropped_turns: int = Field(description="Earlier turns that did not fit, and were left out, oldest first.")


class FunctionPiece(Shape):
    name: str = ""
    arguments: str


class CallPiece(Shape):
    """The first of a call has its id, type and name; those after it only more of the arguments."""

    index: int
    id: str = ""
    type: Literal["function"] = "function"
    function: FunctionPiece


class MessagePiece(Shape):
    role: Literal["assistant"] = "assistant"
    content: str = ""
    reasoning_content: str = ""
    reasoning: str = ""
    tool_calls: list[CallPiece] = []


class ChoicePiece(Shape):
    index: Literal[0]
    delta: MessagePiece
    logprobs: None
    finish_reason: FinishReason | None


class ChatCompletionChunk(Shape):
    """One event of a stream; with `include_usage` the last one has the usage, and no choices."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: Annotated[list[ChoicePiece], Field(max_length=1)]
    usage: Usage | None = None
    dropped_turns: int = Field(0, description="In the chunk with the finish_reason.")


class ChatCompletionEvent(RootModel[ChatCompletionChunk | Error]):
    """A chunk; or an error, which is the last event. After the last chunk comes `[DONE]`."""


class Model(Shape):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    max_context_tokens: int = Field(description="What a prompt may have, its instructions and history included.")
    max_output_tokens: int = Field(description="What fits into the engine's window after the longest prompt.")


class ModelList(Shape):
    object: Literal["list"]
    data: list[Model]
