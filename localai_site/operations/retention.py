"""What is old enough to go: a rule is rows and why; they go a few at a time, so that nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.sessions.models import Session
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from chat.models import Conversation, Invitation, Message
from chat.trash import UNDO_SECONDS
from inference.api.responses.store import LONGEST
from inference.models import Refusal, StoredResponse, UsageRecord

SMALL, LARGE = 10, 500
"""Rows in one transaction: of those that have many others, and of those that have none."""

PAUSE_SECONDS = 0.02
"""In which others write; SQLite would let the fastest one go first again and again."""

INVITATION_DAYS = 30
EMPTY_DAYS = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows that may go, and how many at a time."""

    what: str
    rows: QuerySet[Model]
    at_once: int = LARGE

    def delete(self) -> int:
        """How many rows went, without those that went with them."""
        return sum(self._batches())

    def _batches(self) -> Iterator[int]:
        """Each checks anew: what was used again meanwhile stays, and is not asked about for ever."""
        after: object = None
        while True:
            rest = self.rows.order_by("pk") if after is None else self.rows.order_by("pk").filter(pk__gt=after)
            keys = list(rest.values_list("pk", flat=True)[: self.at_once])
            if not keys:
                return
            _, deleted = self.rows.filter(pk__in=keys).delete()
            yield deleted.get(self.rows.model._meta.label, 0)
            after = keys[-1]
            time.sleep(PAUSE_SECONDS)


def due(conversation_days: int | None = None, usage_days: int | None = None) -> list[Rule]:
    """What would go now. The audit log never does; nor does what an answer is being written into."""
    rules = _always()
    if conversation_days is not None:
        rules.append(Rule("conversations", _idle(_ago(conversation_days)).filter(is_pinned=False), SMALL))
    if usage_days is not None:
        rules += _usage(_ago(usage_days))
    return rules


def _always() -> list[Rule]:
    now, old = timezone.now(), _ago(INVITATION_DAYS)
    gone = Conversation.objects.filter(deleted_at__lte=now - timedelta(seconds=UNDO_SECONDS))
    empty = _idle(_ago(EMPTY_DAYS)).filter(messages=None, is_pinned=False)
    return [
        Rule("expired sessions", Session.objects.filter(expire_date__lt=now)),
        Rule("stored responses beyond their time", StoredResponse.objects.filter(created_at__lt=now - LONGEST), SMALL),
        Rule("old invitations", Invitation.objects.filter(Q(used_at__lt=old) | Q(expires_at__lt=old))),
        Rule("conversations that their people deleted", gone, SMALL),
        Rule("empty conversations", empty),
    ]


def _usage(limit: datetime) -> list[Rule]:
    return [
        Rule("usage records", UsageRecord.objects.filter(created_at__lt=limit)),
        Rule("counts of refusals", Refusal.objects.filter(day__lt=timezone.localdate(limit))),
    ]


def _idle(limit: datetime) -> QuerySet[Conversation]:
    streaming = Message.objects.streaming().values("conversation")
    return Conversation.objects.filter(updated_at__lt=limit).exclude(pk__in=streaming)


def _ago(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)
