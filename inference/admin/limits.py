"""What a person may have generated on one day, as a part of their page."""

from __future__ import annotations

from django.contrib import admin

from inference.models import DailyLimits


class DailyLimitsInline(admin.StackedInline):  # type: ignore[type-arg]  # not generic at run time
    model = DailyLimits
    fields = ("generations", "tokens")
