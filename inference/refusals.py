"""Counts who was refused. A refusal must cost next to nothing: many at once become one row, written once a second."""

from __future__ import annotations

import atexit
import logging
import time
from collections import Counter
from datetime import date
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from channels.db import database_sync_to_async
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from inference.errors import BusyError, DailyLimitError, InferenceError
from inference.models import Refusal, RefusalReason

if TYPE_CHECKING:
    from inference.usage import Caller

logger = logging.getLogger(__name__)

WRITE_AGAIN_SECONDS = 1.0


class Row(NamedTuple):
    """What is counted together."""

    day: date
    hour: int
    user_id: int | None
    source: str
    reason: RefusalReason


class Refusals:
    """Those of this process. The last ones of a burst wait for the next, for somebody to look, or for the end."""

    def __init__(self) -> None:
        self._unwritten: Counter[Row] = Counter()
        self._lock = Lock()
        self._written_at = 0.0
        atexit.register(self.write)

    async def note(self, caller: Caller, error: InferenceError) -> None:
        """Only the gate and the daily limits refuse; all other errors have a fault to be found."""
        reason = _reason(error)
        if reason is None:
            return
        now = timezone.localtime()
        with self._lock:
            self._unwritten[Row(now.date(), now.hour, caller.user_id, caller.source.value, reason)] += 1
            is_due = time.monotonic() - self._written_at >= WRITE_AGAIN_SECONDS
            if is_due:
                self._written_at = time.monotonic()
        if is_due:
            await database_sync_to_async(self.write)()

    def write(self) -> None:
        """Nothing is lost to a database that is away: the next writing tries again."""
        with self._lock:
            rows, self._unwritten = self._unwritten, Counter()
        for row, count in rows.items():
            try:
                _add(row, count)
            except Exception:  # the database's fault
                logger.exception("Refusals could not be counted.")
                with self._lock:
                    self._unwritten[row] += count

    def forget(self) -> None:
        """Drop what is unwritten."""
        with self._lock:
            self._unwritten.clear()
            self._written_at = 0.0


def _reason(error: InferenceError) -> RefusalReason | None:
    match error:
        case BusyError():
            return RefusalReason.BUSY
        case DailyLimitError():
            return RefusalReason.LIMIT
    return None


def _add(row: Row, count: int) -> None:
    known = Refusal.objects.filter(**row._asdict())
    if known.update(count=F("count") + count):
        return
    try:
        with transaction.atomic():
            Refusal.objects.create(**row._asdict(), count=count)
    except IntegrityError:  # another process was quicker, or the person is gone
        known.update(count=F("count") + count)


refusals = Refusals()
