"""Turns, effort and instructions in; the prompt's token ids out, cut to what fits.

Pure and fast. Streams of answers are read by `inference.parser`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

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
        raise PromptError("The prompt is empty. Write something first.")
    frame = _system_ids(effort, today)
    if instructions.strip():
        frame += _message_ids(Role.DEVELOPER, instructions)
    newest = _message_ids(Role.USER, prompt) + _assistant_start()
    remaining = max_tokens - len(frame) - len(newest)
    if remaining < 0:
        raise PromptTooLongError(max_tokens - remaining, max_tokens)
    turns = _newest_turns(history, remaining)
    earlier = tuple(token_id for turn in turns for token_id in turn)
    return RenderedPrompt(frame + earlier + newest, len(history) - len(turns))


def count_tokens(text: str) -> int:
    """Return how many tokens the text takes, without any frame."""
    return len(encode(text))


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
