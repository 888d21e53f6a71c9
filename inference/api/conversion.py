"""Messages as clients send them in, a Request for the model out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.utils import timezone

from inference.api import thoughts
from inference.api.errors import ApiError
from inference.api.schemas import ChatCompletionBody, FunctionTool, GenerateBody, Message, ResponseFormat
from inference.harmony import Turn
from inference.messages import Effort, Step, Tool, response_format_text
from inference.request import Request

ANY_OBJECT = '{"type": "object"}'


@dataclass
class Talk:
    """A conversation in Harmony's terms: what is told at first, then the turns."""

    instructions: str = ""
    turns: list[Turn] = field(default_factory=list)

    def add_instructions(self, text: str) -> None:
        """At the beginning they hold for all; later they stand where they were given."""
        if self.turns:
            self.add_step(Step("instructions", text))
        else:
            self.instructions = "\n\n".join(filter(None, [self.instructions, text]))

    def add_prompt(self, text: str) -> None:
        self.turns.append(Turn(text))

    def add_step(self, step: Step) -> None:
        self.add_steps([step])

    def add_steps(self, steps: Iterable[Step]) -> None:
        turn = self.turns.pop() if self.turns else Turn("")
        self.turns.append(Turn(turn.prompt, steps=(*turn.steps, *steps)))

    @property
    def newest(self) -> Turn:
        """Raises ApiError where there is nobody to answer."""
        if not self.turns or not self.turns[-1].prompt.strip():
            message = "There is no prompt: a message of the user that is not blank."
            raise ApiError(400, message, code="invalid_value", param="messages")
        return self.turns[-1]


def talk_of(messages: Sequence[Message], user_id: int) -> Talk:
    """Raises ApiError for a tool's message that answers no call."""
    talk = Talk()
    called: dict[str, str] = {}
    for index, message in enumerate(messages):
        text = message.content or ""
        match message.role:
            case "system" | "developer":
                talk.add_instructions(text)
            case "user":
                talk.add_prompt(text)
            case "assistant":
                talk.add_steps(_assistant_steps(message, user_id))
                called |= {call.id: call.function.name for call in message.tool_calls or []}
            case "tool":
                talk.add_step(Step("result", text, _answered(message, called, index)))
    return talk


def _assistant_steps(message: Message, user_id: int) -> Iterable[Step]:
    calls = message.tool_calls or []
    thinking = message.reasoning_content or message.reasoning
    if calls and not thinking:
        thinking = thoughts.recall(user_id, calls[0].id)
    if thinking:
        yield Step("thinking", thinking)
    if message.content:
        yield Step("preamble" if calls else "answer", message.content)
    for call in calls:
        yield Step("call", call.function.arguments, call.function.name)


def _answered(message: Message, called: dict[str, str], index: int) -> str:
    name = called.get(message.tool_call_id or "")
    if name is None:
        raise ApiError(
            400,
            f"tool_call_id {message.tool_call_id!r} is not among the tool_calls of an earlier message.",
            code="invalid_value",
            param=f"messages[{index}].tool_call_id",
        )
    return name


def generate_request(body: GenerateBody, user_id: int) -> Request:
    talk = talk_of(body.messages or [], user_id)
    if body.prompt is not None:
        talk.add_prompt(body.prompt)
    if body.instructions:
        talk.instructions = "\n\n".join(filter(None, [body.instructions, talk.instructions]))
    return replace(_asked(talk, body), max_tokens=body.max_tokens)


def chat_completion_request(body: ChatCompletionBody, user_id: int) -> Request:
    schema, told = format_of(body.response_format)
    return replace(
        _asked(talk_of(body.messages, user_id), body),
        tools=() if body.tool_choice == "none" else tuple(map(tool_of, body.tools or [])),
        json_schema=schema,
        response_format=told,
        max_tokens=body.output_tokens,
    )


def _asked(talk: Talk, body: GenerateBody | ChatCompletionBody) -> Request:
    """What both endpoints take alike."""
    newest = talk.newest
    return Request(
        newest.prompt,
        timezone.localdate(),
        talk.turns[:-1],
        steps=newest.steps,
        effort=effort_of(body.reasoning_effort),
        instructions=talk.instructions,
        stop=body.stops,
        temperature=body.temperature,
        top_p=body.top_p,
        seed=body.seed,
    )


def effort_of(name: str | None) -> Effort:
    return Effort(name or settings.DEFAULT_REASONING_EFFORT)


def tool_of(tool: FunctionTool) -> Tool:
    function = tool.function
    return Tool(function.name, function.description or "", function.parameters, bool(function.strict))


def format_of(response_format: ResponseFormat | None) -> tuple[str | None, str]:
    """The text of the JSON schema that the answer must obey, and how the model is told of it."""
    if response_format is None or response_format.type == "text":
        return None, ""
    named = response_format.json_schema
    if named is None:
        return ANY_OBJECT, response_format_text("json", "", ANY_OBJECT)
    schema = json.dumps(named.schema_, ensure_ascii=False)
    return schema, response_format_text(named.name, named.description or "", schema)
