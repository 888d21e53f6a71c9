"""How much one person may keep: MAX_CONVERSATIONS_PER_USER and MAX_MESSAGES_PER_USER.

Somebody who writes a program against the page must not fill the disk for all others.
"""

from __future__ import annotations

from django.conf import settings
from django.db.models import Model, QuerySet
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from chat.models import Conversation, Message
from inference.errors import InferenceError, grouped


class NoRoomError(InferenceError):
    """The text says how much there is, and what to do."""


def check(owner_id: int, conversations: int = 0, messages: int = 2) -> None:
    """Raises NoRoomError where so many more would be too many."""
    limit = settings.MAX_CONVERSATIONS_PER_USER
    started = Conversation.objects.kept().started().filter(owner_id=owner_id)
    if conversations and _has_more(started, limit - conversations):
        text = _("This site keeps at most {limit} conversations of one person. Delete some first.")
        raise NoRoomError(format_lazy(text, limit=grouped(limit)))
    limit = settings.MAX_MESSAGES_PER_USER
    if _has_more(
        Message.objects.filter(conversation__owner_id=owner_id, conversation__deleted_at=None), limit - messages
    ):
        text = _("This site keeps at most {limit} messages of one person. Delete conversations first.")
        raise NoRoomError(format_lazy(text, limit=grouped(limit)))


def _has_more(rows: QuerySet[Model], most: int) -> bool:
    """No more rows are read than are needed to know."""
    return most < 0 or rows.order_by()[: most + 1].count() > most
