"""Turns in the database: the history that is sent, an answer's beginning, its checkpoints.

Synchronous; knows nothing of running replies or pages.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.utils import timezone

from chat.models import TITLE_CHARACTERS, Conversation, Message, Role, Status, TokenIdsField
from inference.generation import Generation, model_name
from inference.harmony import Effort, Turn

FACTS = (
    "thinking_tokens",
    "answer_tokens",
    "first_token_seconds",
    "thinking_seconds",
    "total_seconds",
    "is_malformed",
)


def history(conversation: Conversation, to: int) -> list[Turn]:
    """The turns down to message `to`; of answers only the final text, as Harmony wants it."""
    turns: list[Turn] = []
    for message in conversation.path(to):
        if message.role == Role.USER:
            turns.append(Turn(message.text))
        elif turns and message.text:
            turns[-1] = Turn(turns[-1].prompt, message.text)
    return turns


def begin_answer(conversation: Conversation, asked: Message, effort: Effort, generation: Generation) -> Message:
    """Save the empty answer to a prompt, as the conversation's leaf; part of the order's transaction."""
    answer = conversation.messages.create(
        parent=asked,
        role=Role.ASSISTANT,
        status=Status.STREAMING,
        run=new_run(),
        effort=effort,
        model=model_name(),
        prompt_tokens=len(generation.prompt.token_ids),
        max_tokens=generation.max_tokens,
        dropped_turns=generation.prompt.dropped_turns,
        prompt_token_ids=TokenIdsField.pack(generation.prompt.token_ids),
    )
    answer.set_versions(list(asked.children.only("pk", "parent").order_by("pk")))
    conversation.effort = effort
    conversation.leaf = answer
    conversation.updated_at = timezone.now()
    conversation.save(update_fields=["title", "effort", "leaf", "updated_at"])
    return answer


def new_run() -> str:
    """What tells one running of a message from the next."""
    return uuid.uuid4().hex


def note(message: Message, generation: Generation) -> None:
    """Take over what is known of the generation so far."""
    message.max_tokens = generation.max_tokens
    for name in FACTS:
        setattr(message, name, getattr(generation.facts, name))


def save(message: Message, token_ids: Sequence[int]) -> None:
    """Write what there is.

    Nothing is left to write to when the conversation was deleted, or another reply goes on with the message.
    """
    names = ("status", "text", "thinking", "error", "max_tokens", *FACTS)
    values = {name: getattr(message, name) for name in names}
    values |= {"saved_at": timezone.now(), "token_ids": TokenIdsField.pack(token_ids)}
    Message.objects.filter(pk=message.pk, run=message.run).update(**values)


def title_of(prompt: str) -> str:
    """The prompt's first line, cut at a word."""
    line = " ".join(prompt.strip().splitlines()[0].split()) if prompt.strip() else ""
    if len(line) <= TITLE_CHARACTERS:
        return line
    return line[: TITLE_CHARACTERS + 1].rsplit(" ", 1)[0][:TITLE_CHARACTERS] + "…"
