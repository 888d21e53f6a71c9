"""Gives people a history: runs within the site, by `manage.py shell`."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from chat.markdown import document
from chat.models import Conversation, Message, Role
from tests.bench.seed import ANSWER, FACTS

MESSAGES_OF_EACH = 4
BATCH = 500


@transaction.atomic
def histories(name: str, conversations: int) -> list[list[tuple[str, int]]]:
    """So many conversations for each person whose name begins so; of each its key, and that of its last answer.

    The newest is the first. The titles have their owner's name, so that nobody else's can pass for theirs.
    """
    people = User.objects.filter(username__startswith=name).order_by("pk")
    return [_history(person, conversations) for person in people]


def _history(owner: User, count: int) -> list[tuple[str, int]]:
    now = timezone.now()
    made = [
        Conversation(owner=owner, title=f"{owner.username} talks, {number}", updated_at=now - timedelta(hours=number))
        for number in range(count)
    ]
    Conversation.objects.bulk_create(made)
    parents: list[Message | None] = [None] * count
    for turn in range(MESSAGES_OF_EACH):
        parents[:] = Message.objects.bulk_create(
            [_message(each, parent, turn) for each, parent in zip(made, parents, strict=True)]
        )
    for each, leaf in zip(made, parents, strict=True):
        each.leaf = leaf
    Conversation.objects.bulk_update(made, ["leaf"], BATCH)
    return [(str(each.pk), int(leaf.pk)) for each, leaf in zip(made, parents, strict=True) if leaf]


def _message(conversation: Conversation, parent: Message | None, turn: int) -> Message:
    """An answer is saved with its HTML, as the site does at the end of one."""
    if turn % 2 == 0:
        number = conversation.title.rpartition(" ")[2]
        text = f"What is to be said about subject{number} in turn {turn}?"
        return Message(conversation=conversation, parent=parent, role=Role.USER, text=text)
    message = Message(conversation=conversation, parent=parent, role=Role.ASSISTANT, text=ANSWER, **FACTS)
    message.html, message.html_version = _html(), document.VERSION
    return message


@cache
def _html() -> str:
    return document.render(ANSWER)
