"""Replies whose process died get their outcome: at start, regularly, and whenever somebody looks.

A running reply saves its message about every second, news or not; one silent for long has nobody left.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from uuid import UUID

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from chat import broadcast
from chat.models import Message, Status

logger = logging.getLogger(__name__)

ABANDONED_SECONDS = 10.0
LOOK_SECONDS = 5.0


def mark_abandoned(silent_seconds: float = ABANDONED_SECONDS) -> list[UUID]:
    """Give replies that have been silent for so long their outcome; returns their conversations."""
    limit = timezone.now() - timedelta(seconds=silent_seconds)
    abandoned = Message.objects.streaming().filter(saved_at__lte=limit)
    conversations = list(abandoned.values_list("conversation_id", flat=True))
    if conversations:
        count = abandoned.update(status=Status.INTERRUPTED)
        logger.warning("%d answers were cut off when their server ended; their text is kept.", count)
    return conversations


def mark_abandoned_at_start() -> None:
    """No reply can outlive a server that is alone; beside others (REDIS_URL) only silence tells."""
    try:
        mark_abandoned(ABANDONED_SECONDS if settings.REDIS_URL else 0.0)
    except DatabaseError as error:
        logger.error("The database cannot be used (%s). Run `python manage.py migrate`.", error)


class Watch:
    """Looks regularly, for the sake of pages that are open; begun by the first of them."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Harmless when started already on the running loop."""
        if self._task is None or self._task.get_loop() is not asyncio.get_running_loop():
            self._task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                for conversation in await database_sync_to_async(mark_abandoned)():
                    await broadcast.announce_move(conversation)
            except Exception:  # the database's or the layer's fault, and no reason to look no more
                logger.exception("Abandoned answers could not be looked for.")


watch = Watch()
