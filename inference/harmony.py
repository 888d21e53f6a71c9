"""Turns, effort and instructions in; the prompt's token ids out, cut to what fits.

Pure and fast. One message's ids are `inference.messages`'; streams of answers are read by `inference.parser`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext_lazy as _
from openai_harmony import Role

from inference.errors import PromptError, PromptTooLongError
from inference.messages import Effort, Step, Tool, assistant_start, developer_text, message_ids, steps_ids, system_ids
from inference.vocabulary import LONGEST_TOKEN_BYTES, encode, encoding


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier prompt, the steps after it, and its final answer; thinking and an empty answer are not sent."""

    prompt: str
    answer: str = ""
    steps: tuple[Step, ...] = ()


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
    steps: Sequence[Step] = (),
    effort: Effort = Effort.LOW,
    instructions: str = "",
    tools: Sequence[Tool] = (),
    response_format: str = "",
    today: date,
    max_tokens: int,
) -> RenderedPrompt:
    """Return the ids of the conversation, ready for the assistant to go on.

    Instructions, tools and the newest turn (prompt and `steps`) always stay; earlier turns go as a whole,
    oldest first. Raises PromptError where the prompt is blank or a tool cannot be described, PromptTooLongError
    where what must stay does not fit.
    """
    if not prompt.strip():
        raise PromptError(_("The prompt is empty. Write something first."))
    planned = plan(
        prompt,
        history=history,
        steps=steps,
        effort=effort,
        instructions=instructions,
        tools=tools,
        response_format=response_format,
        today=today,
        max_tokens=max_tokens,
    )
    if not planned.fits:
        system_tokens = len(system_ids(effort, today, bool(tools)))
        raise PromptTooLongError(planned.tokens, max_tokens, len(planned.frame) - system_tokens)
    earlier = tuple(token_id for turn in planned.turns for token_id in turn)
    return RenderedPrompt(planned.frame + earlier + planned.prompt, planned.dropped_turns)


def plan(
    prompt: str,
    *,
    history: Sequence[Turn] = (),
    steps: Sequence[Step] = (),
    effort: Effort = Effort.LOW,
    instructions: str = "",
    tools: Sequence[Tool] = (),
    response_format: str = "",
    today: date,
    max_tokens: int,
) -> Plan:
    """Decide what `render` sends, also for a prompt that is blank or too long.

    The history is read from its end, and no further than it fits.
    """
    frame = system_ids(effort, today, bool(tools))
    if told := developer_text(instructions, tools, response_format):
        frame += message_ids(Role.DEVELOPER, told)
    newest = message_ids(Role.USER, prompt) + steps_ids(_still_needed(steps)) + assistant_start()
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
    assistant_start()


def _newest_turns(history: Sequence[Turn], max_tokens: int) -> list[tuple[int, ...]]:
    """Return the ids of the last turns that fit, in order; turns before these are not encoded."""
    turns: list[tuple[int, ...]] = []
    remaining = max_tokens
    for turn in reversed(history):
        # UTF-8 has at least a byte for each character: this spares encoding what cannot fit
        if _characters(turn) > remaining * LONGEST_TOKEN_BYTES:
            break
        ids = _turn_ids(turn)
        remaining -= len(ids)
        if remaining < 0:
            break
        turns.append(ids)
    return turns[::-1]


def _characters(turn: Turn) -> int:
    return len(turn.prompt) + len(turn.answer) + sum(len(step.text) for step in turn.steps)


def _turn_ids(turn: Turn) -> tuple[int, ...]:
    ids = message_ids(Role.USER, turn.prompt) if turn.prompt.strip() or not turn.steps else ()
    ids += steps_ids([step for step in turn.steps if step.kind != "thinking"])
    return ids + message_ids(Role.ASSISTANT, turn.answer) if turn.answer.strip() else ids


def _still_needed(steps: Sequence[Step]) -> list[Step]:
    """Thinking is told again only while its tool loop runs: after the last answer."""
    answered = max((index for index, step in enumerate(steps) if step.kind == "answer"), default=-1)
    return [step for index, step in enumerate(steps) if step.kind != "thinking" or index > answered]
