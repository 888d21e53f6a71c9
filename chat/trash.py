"""Deleted conversations: gone from every page at once, really deleted when the time for Undo is over."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import DatabaseError
from django.utils import timezone

from chat.models import Conversation, ConversationQuerySet
from chat.pace import Pace

logger = logging.getLogger(__name__)

UNDO_SECONDS = 60
SHOWN_AT_ONCE = 3
AT_ONCE = 10

_pace = Pace()


def put(conversation: Conversation) -> None:
    """Delete it; for a while it can be restored."""
    conversation.deleted_at = timezone.now()
    conversation.save(update_fields=["deleted_at"])


def restore(user: AbstractBaseUser, pk: UUID) -> Conversation | None:
    """Bring it back; None when it is too late, or not this person's."""
    of(user).filter(pk=pk).update(deleted_at=None)
    return Conversation.objects.for_user(user).filter(pk=pk).first()


def of(user: AbstractBaseUser | AnonymousUser) -> ConversationQuerySet:
    """What the person can still bring back, the latest first."""
    limit = timezone.now() - timedelta(seconds=UNDO_SECONDS)
    return Conversation.objects.filter(owner_id=user.pk, deleted_at__gt=limit).order_by("-deleted_at")


def waiting(user: AbstractBaseUser) -> list[Conversation]:
    """What pages offer to bring back."""
    return list(of(user)[:SHOWN_AT_ONCE])


def expunge() -> None:
    """Delete for good what was not brought back, messages and all; nearly free for who asks often."""
    if not _pace.is_due():
        return
    limit = timezone.now() - timedelta(seconds=UNDO_SECONDS)
    due = Conversation.objects.filter(deleted_at__lte=limit)
    try:
        keys: list[UUID] = list(due.values_list("pk", flat=True)[:AT_ONCE])
        if keys:
            Conversation.objects.filter(pk__in=keys, deleted_at__lte=limit).delete()
            logger.info("%d deleted conversations are gone for good.", len(keys))
    except DatabaseError:  # whoever looks next tries again
        logger.exception("Deleted conversations could not be removed for now.")
