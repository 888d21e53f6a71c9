"""The log of looks: written before anything is shown, and never without it.

Reading or exporting one's own conversation is no look; whatever changes something is noted for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction

from chat.models import AuditEntry, Conversation, Look

DETAIL_CHARACTERS = 500
BATCH = 500
NO_LOOK_AT_ONES_OWN = (Look.READ, Look.EXPORTED)

Actor = AbstractBaseUser | AnonymousUser


def record(actor: Actor, look: Look, conversation: Conversation | None = None, detail: str = "") -> None:
    """Without a conversation: at many people's."""
    if conversation is None:
        _entry(actor, look, detail).save()
    elif not _is_ones_own(actor, look, conversation):
        _entry(actor, look, detail, conversation).save()


def record_keys(actor: Actor, look: Look, keys: Sequence[UUID], detail: str = "") -> None:
    """A line for each of these conversations; all, or none."""
    with transaction.atomic():
        for start in range(0, len(keys), BATCH):
            batch = Conversation.objects.filter(pk__in=keys[start : start + BATCH]).select_related("owner")
            entries = [_entry(actor, look, detail, each) for each in batch if not _is_ones_own(actor, look, each)]
            AuditEntry.objects.bulk_create(entries)


def _is_ones_own(actor: Actor, look: Look, conversation: Conversation) -> bool:
    return look in NO_LOOK_AT_ONES_OWN and conversation.owner_id == actor.pk


def _entry(actor: Actor, look: Look, detail: str, conversation: Conversation | None = None) -> AuditEntry:
    return AuditEntry(
        actor_key=cast(int, actor.pk),
        actor_name=actor.get_username(),
        look=look,
        conversation_key=conversation.pk if conversation else None,
        owner_name=conversation.owner.get_username() if conversation else "",
        detail=detail.replace("\0", " ")[:DETAIL_CHARACTERS],
    )
