"""How much a person has generated today, and whether they may have more. Days begin at midnight of TIME_ZONE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from django.db import transaction
from django.db.models import Count, F, Sum
from django.utils import timezone

from inference.errors import DailyLimitError
from inference.models import DailyLimits, UsageRecord


@dataclass(frozen=True, slots=True)
class Use:
    generations: int
    tokens: int


def used_today(user_id: int) -> Use:
    """With what runs now, where the person has limits."""
    totals = UsageRecord.objects.filter(user=user_id, day=timezone.localdate()).aggregate(
        generations=Count("pk"), tokens=Sum(F("prompt_tokens") + F("completion_tokens"), default=0)
    )
    return Use(totals["generations"], totals["tokens"])


def limits_of(user_id: int) -> DailyLimits | None:
    return DailyLimits.objects.filter(pk=user_id).first()


def check(user_id: int) -> bool:
    """Raise DailyLimitError where nothing more may begin today; tells whether the person has limits at all."""
    limits = limits_of(user_id)
    if limits is not None:
        _compare(limits)
    return limits is not None


def begin(record: UsageRecord) -> None:
    """Save the record of what begins, so that it counts; of two at once only one can be the last.

    Raises DailyLimitError.
    """
    with transaction.atomic():
        limits = DailyLimits.objects.select_for_update().filter(pk=record.user_id).first()
        if limits is not None:
            _compare(limits)
        record.save()


def _compare(limits: DailyLimits) -> None:
    used = used_today(limits.user_id)
    seconds = seconds_to_midnight()
    if limits.generations is not None and used.generations >= limits.generations:
        raise DailyLimitError("generations", used.generations, limits.generations, seconds)
    if limits.tokens is not None and used.tokens >= limits.tokens:
        raise DailyLimitError("tokens", used.tokens, limits.tokens, seconds)


def seconds_to_midnight() -> int:
    """To the next day's first second, whatever the clocks do in between."""
    now = timezone.localtime()
    midnight = datetime.combine(now.date() + timedelta(days=1), time.min, now.tzinfo)
    return max(1, int((midnight.astimezone(UTC) - now.astimezone(UTC)).total_seconds()) + 1)
