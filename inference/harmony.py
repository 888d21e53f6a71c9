"""Turns, effort and instructions in; the prompt's token ids out, cut to what fits.

Pure and fast. Streams of answers are read by `inference.parser`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from django.utils.translation import gettext_lazy as _
from openai_harmony import DeveloperContent, Message, ReasoningEffort, Role, SystemContent

from inference.errors import PromptError, PromptTooLongError
from inference.vocabulary import (
    END,
    LONGEST_TOKEN_BYTES,
    START,
    encode,
    encoding,
    pieces,
    without_lone_surrogates,
)


class Effort(StrEnum):
    """How long the model thinks before it answers."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier prompt and its final answer, without the thinking; an empty answer is not sent."""

    prompt: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """What the engine gets, and how many of the oldest turns were left out to make it fit."""

    token_ids: tuple[int, ...]
    dropped_turns: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent of a conversation, as token ids: frame, the newest turns that fit, prompt.

    It `fits` unless frame and prompt, which always stay, are too long by themselves.
    """

    frame: tuple[int, ...]
    turns: Sequence[tuple[int, ...]]
    prompt: tuple[int, ...]
    dropped_turns: int
    max_tokens: int

    @property
    def tokens(self) -> int:
        return len(self.frame) + sum(map(len, self.turns)) + len(self.prompt)

    @property
    def fits(self) -> bool:
        return self.tokens <= self.max_tokens


def render(
    prompt: str,
    *,
    history: Sequence[Turn] = (),
    effort: Effort = Effort.LOW,
    instructions: str = "",
    today: date,
    max_tokens: int,
) -> RenderedPrompt:
    """Return the ids of the conversation, ready for the assistant to go on.

    Instructions and prompt always stay; earlier turns go as a whole, oldest first. Raises
    PromptError where the prompt is blank, PromptTooLongError where what must stay does not fit.
    """
    if not prompt.strip():
        raise PromptError(_("The prompt is empty. Write something first."))
    planned = plan(
        prompt, history=history, effort=effort, instructions=instructions, today=today, max_tokens=max_tokens
    )
    if not planned.fits:
        raise PromptTooLongError(planned.tokens, max_tokens, len(planned.frame) - len(_system_ids(effort, today)))
    earlier = tuple(token_id for turn in planned.turns for token_id in turn)
    return RenderedPrompt(planned.frame + earlier + planned.prompt, planned.dropped_turns)


def plan(
    prompt: str,
    *,
    history: Sequence[Turn] = (),
    effort: Effort = Effort.LOW,
    instructions: str = "",
    today: date,
    max_tokens: int,
) -> Plan:
    """Decide what `render` sends, also for a prompt that is blank or too long.

    The history is read from its end, and no further than it fits.
    """
    frame = _system_ids(effort, today)
    if instructions.strip():
        frame += _message_ids(Role.DEVELOPER, instructions)
    newest = _message_ids(Role.USER, prompt) + _assistant_start()
    turns = _newest_turns(history, max_tokens - len(frame) - len(newest))
    return Plan(frame, turns, newest, len(history) - len(turns), max_tokens)


def count_tokens(text: str) -> int:
    """Return how many tokens the text takes, without any frame."""
    return len(encode(text))


def turn_tokens(turn: Turn) -> int:
    """Return how many tokens the turn takes, its frame included."""
    return len(_turn_ids(turn))


def visible_prompt(token_ids: Sequence[int]) -> str:
    """Return exactly what the model was told, control tokens spelled out."""
    text: str = encoding().decode(list(token_ids))
    return text


def warm_up() -> None:
    """Load the encoding now, so that the first prompt need not wait for it."""
    _assistant_start()


def _newest_turns(history: Sequence[Turn], max_tokens: int) -> list[tuple[int, ...]]:
    """Return the ids of the last turns that fit, in order; turns before these are not encoded."""
    turns: list[tuple[int, ...]] = []
    remaining = max_tokens
    for turn in reversed(history):
        # UTF-8 has at least a byte for each character: this spares encoding what cannot fit
        if len(turn.prompt) + len(turn.answer) > remaining * LONGEST_TOKEN_BYTES:
            break
        ids = _turn_ids(turn)
        remaining -= len(ids)
        if remaining < 0:
            break
        turns.append(ids)
    return turns[::-1]


def _turn_ids(turn: Turn) -> tuple[int, ...]:
    ids = _message_ids(Role.USER, turn.prompt)
    return ids + _message_ids(Role.ASSISTANT, turn.answer) if turn.answer.strip() else ids


@functools.lru_cache(maxsize=256)
def _message_ids(role: Role, text: str) -> tuple[int, ...]:
    first, *rest = pieces(without_lone_surrogates(text))
    ids = encoding().render(_message(role, first))
    if rest:
        ids = ids[:-1] + [token_id for piece in rest for token_id in encode(piece)] + [END]
    return tuple(ids)


def _message(role: Role, text: str) -> Message:
    if role is Role.DEVELOPER:
        return Message.from_role_and_content(role, DeveloperContent.new().with_instructions(text))
    message = Message.from_role_and_content(role, text)
    return message.with_channel("final") if role is Role.ASSISTANT else message


@functools.lru_cache(maxsize=8)
def _system_ids(effort: Effort, today: date) -> tuple[int, ...]:
    content = (
        SystemContent.new()
        .with_reasoning_effort(ReasoningEffort[effort.name])
        .with_conversation_start_date(today.isoformat())
        .with_required_channels(["analysis", "final"])
    )
    return tuple(encoding().render(Message.from_role_and_content(Role.SYSTEM, content)))


@functools.cache
def _assistant_start() -> tuple[int, ...]:
    return (START, *encoding().encode("assistant"))
