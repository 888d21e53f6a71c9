"""The days that are looked at, and the hours or days into which they are cut."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from django.utils.formats import date_format

Span = Literal["day", "week", "month"]
Bucket = date | int
"""One bar: a day, or an hour of the only day."""


@dataclass(frozen=True, slots=True)
class Period:
    """A day, a week from Monday on, or a month; days are those of TIME_ZONE."""

    span: Span
    first: date
    last: date

    @classmethod
    def containing(cls, day: date, span: Span) -> Period:
        if span == "week":
            monday = day - timedelta(days=day.weekday())
            return cls(span, monday, monday + timedelta(days=6))
        if span == "month":
            return cls(span, day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))
        return cls("day", day, day)

    @property
    def previous(self) -> Period:
        return self.containing(self.first - timedelta(days=1), self.span)

    @property
    def next(self) -> Period:
        return self.containing(self.last + timedelta(days=1), self.span)

    @property
    def bucket_field(self) -> Literal["hour", "day"]:
        """The column that says into which bucket a record falls."""
        return "hour" if self.span == "day" else "day"

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=days) for days in range((self.last - self.first).days + 1)]

    @property
    def buckets(self) -> Sequence[Bucket]:
        return range(24) if self.span == "day" else self.days

    @property
    def name(self) -> str:
        if self.span == "day":
            return date_format(self.first, "DATE_FORMAT")
        if self.span == "month":
            return date_format(self.first, "YEAR_MONTH_FORMAT")
        return f"{date_format(self.first, 'DATE_FORMAT')} – {date_format(self.last, 'DATE_FORMAT')}"

    def bucket_name(self, bucket: Bucket) -> str:
        return f"{bucket:02d}:00" if isinstance(bucket, int) else date_format(bucket, "SHORT_DATE_FORMAT")

    def axis_label(self, bucket: Bucket) -> str:
        """Empty where there is no room for one."""
        if isinstance(bucket, int):
            return str(bucket) if bucket % 4 == 0 else ""
        if self.span == "week":
            return date_format(bucket, "D")
        return str(bucket.day) if bucket.day % 5 == 0 or bucket.day == 1 else ""
