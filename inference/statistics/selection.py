"""Which generations are looked at: a period, perhaps one person, perhaps one source."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from inference.models import Refusal, UsageRecord
from inference.statistics.period import Period


@dataclass(frozen=True, slots=True)
class Selection:
    period: Period
    user_id: int | None = None
    source: str = ""

    @property
    def records(self) -> QuerySet[UsageRecord]:
        return UsageRecord.objects.filter(self._condition)

    @property
    def refusals(self) -> QuerySet[Refusal]:
        return Refusal.objects.filter(self._condition)

    @property
    def _condition(self) -> Q:
        condition = Q(day__gte=self.period.first, day__lte=self.period.last)
        if self.user_id is not None:
            condition &= Q(user=self.user_id)
        return condition & Q(source=self.source) if self.source else condition
