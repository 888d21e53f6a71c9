"""One message of a conversation in, its token ids out: what Harmony has between two `<|start|>`.

Pure and fast; knows nothing of what fits.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from openai_harmony import (
    Author,
    DeveloperContent,
    HarmonyError,
    Message,
    ReasoningEffort,
    RenderOptions,
    Role,
    SystemContent,
    ToolDescription,
)

from inference.errors import PromptError
from inference.vocabulary import MESSAGE, START, encode, encoding, pieces, without_lone_surrogates

MAX_CACHED_CHARACTERS = 8_000
"""Ids take ten times the memory of their text: what is long is encoded again."""
MAX_TOOLS_CHARACTERS = 200_000


class Effort(StrEnum):
    """How long the model thinks before it answers."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


StepKind = Literal["thinking", "preamble", "call", "result", "answer", "instructions"]


@dataclass(frozen=True, slots=True)
class Step:
    """What came in a turn after its prompt. `name`: the function of a call (its arguments are the text) or result."""

    kind: StepKind
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is a JSON schema of its arguments.

    `is_strict`: the arguments are held to the schema while they are written.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, object] | None = None
    is_strict: bool = False

    @property
    def schema(self) -> str:
        return json.dumps({"type": "object"} if self.parameters is None else dict(self.parameters))


def steps_ids(steps: Sequence[Step]) -> tuple[int, ...]:
    return tuple(token_id for step in steps for token_id in _step_ids(step))


def _step_ids(step: Step) -> tuple[int, ...]:
    return _cached_step_ids(step) if len(step.text) <= MAX_CACHED_CHARACTERS else _cached_step_ids.__wrapped__(step)


@functools.lru_cache(maxsize=256)
def _cached_step_ids(step: Step) -> tuple[int, ...]:
    match step.kind:
        case "answer":
            return message_ids(Role.ASSISTANT, step.text)
        case "instructions":
            return message_ids(Role.DEVELOPER, developer_text(step.text))
        case "call":
            return _framed_ids(functools.partial(_call, _recipient(step.name)), step.text)
        case "result":
            return _framed_ids(functools.partial(_result, _recipient(step.name)), step.text)
    channel = "analysis" if step.kind == "thinking" else "commentary"
    return _framed_ids(functools.partial(_said, channel), step.text)


def _call(recipient: str, arguments: str) -> Message:
    return _said("commentary", arguments).with_recipient(recipient).with_content_type("<|constrain|>json")


def _result(author: str, text: str) -> Message:
    message = Message.from_author_and_content(Author.new(Role.TOOL, author), text)
    return message.with_recipient("assistant").with_channel("commentary")


def _said(channel: str, text: str) -> Message:
    return Message.from_role_and_content(Role.ASSISTANT, text).with_channel(channel)


def _recipient(function: str) -> str:
    return without_lone_surrogates(f"functions.{function}")


def message_ids(role: Role, text: str) -> tuple[int, ...]:
    """Of a user's, a developer's or an assistant's final message."""
    is_short = len(text) <= MAX_CACHED_CHARACTERS
    return _cached_message_ids(role, text) if is_short else _cached_message_ids.__wrapped__(role, text)


@functools.lru_cache(maxsize=256)
def _cached_message_ids(role: Role, text: str) -> tuple[int, ...]:
    if role is Role.ASSISTANT:
        return _framed_ids(functools.partial(_said, "final"), text)
    return _framed_ids(functools.partial(Message.from_role_and_content, role), text)


def _framed_ids(message: Callable[[str], Message], text: str) -> tuple[int, ...]:
    """Render the message; a text with long unbroken runs is encoded in pieces, inside of the same frame."""
    first, *rest = pieces(without_lone_surrogates(text))
    ids = encoding().render(message(first))
    if rest:
        ids = ids[:-1] + [token_id for piece in rest for token_id in encode(piece)] + ids[-1:]
    return tuple(ids)


def developer_text(instructions: str, tools: Sequence[Tool] = (), response_format: str = "") -> str:
    """What the developer message says; empty where it would say nothing."""
    told = f"# Instructions\n\n{instructions}" if instructions.strip() else ""
    return "\n\n".join(filter(None, [told, described(tools) if tools else "", response_format]))


def response_format_text(name: str, description: str, schema: str) -> str:
    """How Harmony tells the model of the JSON that its answer is to be (its guide: structured output)."""
    comment = "".join(f"// {line}\n" for line in description.splitlines())
    return f"# Response Formats\n\n## {name}\n\n{comment}{schema}"


def described(tools: Sequence[Tool]) -> str:
    """Return the tools as Harmony's text. Raises PromptError where one cannot be described."""
    try:
        if sum(len(tool.description) + len(tool.schema) for tool in tools) > MAX_TOOLS_CHARACTERS:
            raise ValueError(f"with the others it has more than {MAX_TOOLS_CHARACTERS:,} characters")
        content = DeveloperContent.new().with_function_tools([_description(tool) for tool in tools])
        rendered = encoding().render(Message.from_role_and_content(Role.DEVELOPER, content))
    except (ValueError, TypeError, RecursionError, HarmonyError) as error:  # the request: too deep, or no JSON
        raise PromptError(format_lazy(_("A tool cannot be described to the model: {error}"), error=error)) from error
    text: str = encoding().decode(rendered[rendered.index(MESSAGE) + 1 : -1])
    return text


def _description(tool: Tool) -> ToolDescription:
    for text in (tool.name, tool.description, json.dumps(tool.parameters, ensure_ascii=False)):
        if len(pieces(text)) > 1:
            raise ValueError("it has a word of thousands of characters")
    parameters = None if tool.parameters is None else _without_surrogates(dict(tool.parameters))
    return ToolDescription.new(
        without_lone_surrogates(tool.name), without_lone_surrogates(tool.description), parameters=parameters
    )


def _without_surrogates(parameters: dict[str, object]) -> dict[str, object]:
    cleaned: dict[str, object] = json.loads(without_lone_surrogates(json.dumps(parameters, ensure_ascii=False)))
    if "properties" in cleaned:
        cleaned.setdefault("type", "object")  # or Harmony would describe it as "any"
    return cleaned


@functools.lru_cache(maxsize=8)
def system_ids(effort: Effort, today: date, has_tools: bool) -> tuple[int, ...]:
    channels = ["analysis", "commentary", "final"] if has_tools else ["analysis", "final"]
    content = (
        SystemContent.new()
        .with_reasoning_effort(ReasoningEffort[effort.name])
        .with_conversation_start_date(today.isoformat())
        .with_required_channels(channels)
    )
    message = Message.from_role_and_content(Role.SYSTEM, content)
    return tuple(encoding().render(message, RenderOptions(conversation_has_function_tools=has_tools)))


@functools.cache
def assistant_start() -> tuple[int, ...]:
    return (START, *encoding().encode("assistant"))
