"""The log of looks: written before anything is shown, and never without it.

Reading or exporting one's own conversation is no look; whatever changes something is noted for everybody.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

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


def record_all(actor: Actor, look: Look, conversations: Iterable[Conversation], detail: str = "") -> None:
    """A line for each; they come with their owners."""
    entries = (
        _entry(actor, look, detail, conversation)
        for conversation in conversations
        if not _is_ones_own(actor, look, conversation)
    )
    AuditEntry.objects.bulk_create(entries, batch_size=BATCH)


def _is_ones_own(actor: Actor, look: Look, conversation: Conversation) -> bool:
    return look in NO_LOOK_AT_ONES_OWN and conversation.owner_id == actor.pk


def _entry(actor: Actor, look: Look, detail: str, conversation: Conversation | None = None) -> AuditEntry:
    return AuditEntry(
        actor_key=actor.pk,
        actor_name=actor.get_username(),
        look=look,
        conversation_key=conversation.pk if conversation else None,
        owner_name=conversation.owner.get_username() if conversation else "",
        detail=detail.replace("\0", " ")[:DETAIL_CHARACTERS],
    )
