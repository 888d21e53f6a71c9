"""Drafts into the database, as few statements as there are levels in their trees."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from chat import room
from chat.models import Conversation, Feedback, Message
from chat.transfer.draft import Draft


@transaction.atomic
def save(owner: AbstractBaseUser, drafts: Sequence[Draft]) -> int:
    """Save those that this person does not have yet, and return how many that were.

    One that is deleted and waits for Undo comes back as it was. Raises NoRoomError.
    """
    get_user_model().objects.select_for_update().get(pk=owner.pk)  # one import of a person at a time
    wanted = [key for draft in drafts for key in draft.ids(owner.pk)]
    taken = {found.pk: found for found in Conversation.objects.filter(pk__in=wanted).only("owner_id", "deleted_at")}
    fresh, returned = [], 0
    for draft in drafts:
        ids = draft.ids(owner.pk)
        present = [taken[key] for key in ids if key in taken and taken[key].owner_id == owner.pk]
        if not present:
            _name(draft, owner, next((key for key in ids if key not in taken), uuid.uuid4()))
            taken[draft.conversation.pk] = draft.conversation
            fresh.append(draft)
        elif present[0].deleted_at:
            returned += Conversation.objects.filter(pk=present[0].pk).update(deleted_at=None)
    room.check(int(owner.pk), len(fresh), sum(len(draft.messages) for draft in fresh))
    _insert(fresh)
    return len(fresh) + returned


def _name(draft: Draft, owner: AbstractBaseUser, key: uuid.UUID) -> None:
    draft.conversation.pk = key
    draft.conversation.owner_id = owner.pk
    for message in draft.messages:
        message.conversation = draft.conversation  # takes over the key


def _insert(drafts: Sequence[Draft]) -> None:
    Conversation.objects.bulk_create(draft.conversation for draft in drafts)
    for level in _levels(message for draft in drafts for message in draft.messages):
        Message.objects.bulk_create(level)
    for draft in drafts:
        draft.conversation.leaf = draft.leaf
    Conversation.objects.bulk_update([draft.conversation for draft in drafts], ["leaf"])
    _insert_feedback([feedback for draft in drafts for feedback in draft.feedback])


def _levels(messages: Iterable[Message]) -> list[list[Message]]:
    """Parents get their keys before their children need them."""
    depths: dict[int, int] = {}
    levels: list[list[Message]] = []
    for message in messages:
        depth = depths[id(message.parent)] + 1 if message.parent else 0
        depths[id(message)] = depth
        if depth == len(levels):
            levels.append([])
        levels[depth].append(message)
    return levels


def _insert_feedback(feedback: Sequence[Feedback]) -> None:
    """With its own times, which a new row would not take."""
    times = [(each.created_at, each.updated_at) for each in feedback]
    Feedback.objects.bulk_create(feedback)
    for each, (created_at, updated_at) in zip(feedback, times, strict=True):
        each.created_at, each.updated_at = created_at, updated_at
    Feedback.objects.bulk_update(feedback, ["created_at", "updated_at"])
