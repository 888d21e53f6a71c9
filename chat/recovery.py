"""Replies whose process died get their outcome: at start, and whenever a page looks, which open ones do regularly.

A running reply saves its message about every second, news or not; one silent for long has nobody left.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from chat import trash
from chat.models import Message, Status
from chat.pace import Pace

logger = logging.getLogger(__name__)

ABANDONED_SECONDS = 10.0

_pace = Pace()


def mark_abandoned() -> None:
    """Give replies that have been silent for long their outcome; nearly free for who asks often."""
    if _pace.is_due():
        _mark_abandoned(ABANDONED_SECONDS)


def _mark_abandoned(silent_seconds: float) -> None:
    limit = timezone.now() - timedelta(seconds=silent_seconds)
    abandoned = Message.objects.streaming().filter(saved_at__lte=limit)
    if abandoned.exists():
        count = abandoned.update(status=Status.INTERRUPTED)
        logger.warning("%d answers were cut off when their server ended; their text is kept.", count)


def recover_at_start() -> None:
    """No reply can outlive a server that is alone; beside others (REDIS_URL) only silence tells.

    Of what was deleted before it ended nothing is left, either.
    """
    try:
        _mark_abandoned(ABANDONED_SECONDS if settings.REDIS_URL else 0.0)
        trash.expunge()
    except DatabaseError as error:
        logger.error("The database cannot be used (%s). Run `python manage.py migrate`.", error)
