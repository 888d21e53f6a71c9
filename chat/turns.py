"""Turns in the database: the history that is sent, a new prompt with its empty answer, checkpoints.

Synchronous; knows nothing of running replies or pages.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from chat.models import TITLE_CHARACTERS, Conversation, Message, Role, Status, TokenIdsField
from inference.errors import BusyError
from inference.generation import Facts, model_name
from inference.harmony import Effort, RenderedPrompt, Turn

logger = logging.getLogger(__name__)

ABANDONED_SECONDS = 10.0
"""A running reply checkpoints every second; one silent for this long lost its process."""

FACTS = (
    "thinking_tokens",
    "answer_tokens",
    "first_token_seconds",
    "thinking_seconds",
    "total_seconds",
    "is_malformed",
)


def history(conversation: Conversation) -> list[Turn]:
    """The turns on the shown path as it is now; of answers only the final text, as Harmony wants it."""
    conversation.refresh_from_db()
    turns: list[Turn] = []
    for message in conversation.path():
        if message.role == Role.USER:
            turns.append(Turn(message.text))
        elif turns and message.text:
            turns[-1] = Turn(turns[-1].prompt, message.text)
    return turns


def begin(
    seen: Conversation, prompt: str, effort: Effort, rendered: RenderedPrompt, max_tokens: int
) -> tuple[Message, Message]:
    """Save prompt and empty answer in one transaction.

    Raises BusyError if the conversation has moved on since it was `seen`, or an answer runs in it.
    """
    mark_abandoned()
    with transaction.atomic():
        conversation = Conversation.objects.select_for_update().get(pk=seen.pk)
        leaf = conversation.leaf
        if conversation.leaf_id != seen.leaf_id or (leaf is not None and leaf.is_streaming):
            raise BusyError
        asked = conversation.messages.create(parent=leaf, role=Role.USER, text=prompt)
        answer = conversation.messages.create(
            parent=asked,
            role=Role.ASSISTANT,
            status=Status.STREAMING,
            effort=effort,
            model=model_name(),
            prompt_tokens=len(rendered.token_ids),
            max_tokens=max_tokens,
            dropped_turns=rendered.dropped_turns,
            prompt_token_ids=TokenIdsField.pack(rendered.token_ids),
        )
        conversation.title = conversation.title or title_of(prompt)
        conversation.effort = effort
        conversation.leaf = answer
        conversation.updated_at = timezone.now()
        conversation.save(update_fields=["title", "effort", "leaf", "updated_at"])
    return asked, answer


def note(message: Message, facts: Facts) -> None:
    for name in FACTS:
        setattr(message, name, getattr(facts, name))


def save(message: Message, token_ids: Sequence[int]) -> None:
    """Write what there is. A deleted conversation is no error: nothing is left to write to."""
    names = ("status", "text", "thinking", "error", *FACTS)
    values = {name: getattr(message, name) for name in names}
    values |= {"saved_at": timezone.now(), "token_ids": TokenIdsField.pack(token_ids)}
    Message.objects.filter(pk=message.pk).update(**values)


def mark_abandoned(silent_seconds: float = ABANDONED_SECONDS) -> None:
    """Give replies that have not checkpointed for so long their outcome: their process died."""
    limit = timezone.now() - timedelta(seconds=silent_seconds)
    abandoned = Message.objects.streaming().filter(saved_at__lte=limit)
    if abandoned.exists():
        count = abandoned.update(status=Status.INTERRUPTED)
        logger.warning("%d answers were cut off when their server ended; their text is kept.", count)


def mark_abandoned_at_start() -> None:
    """No reply can outlive a server that is alone; beside others (REDIS_URL) only silence tells."""
    try:
        mark_abandoned(ABANDONED_SECONDS if settings.REDIS_URL else 0.0)
    except DatabaseError as error:
        logger.error("The database cannot be used (%s). Run `python manage.py migrate`.", error)


def title_of(prompt: str) -> str:
    """The prompt's first line, cut at a word."""
    line = " ".join(prompt.strip().splitlines()[0].split()) if prompt.strip() else ""
    if len(line) <= TITLE_CHARACTERS:
        return line
    return line[: TITLE_CHARACTERS + 1].rsplit(" ", 1)[0][:TITLE_CHARACTERS] + "…"
