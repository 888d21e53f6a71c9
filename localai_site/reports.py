"""What Django's own pages on errors, which DEBUG shows, tell of the settings."""

from __future__ import annotations

from django.views.debug import SafeExceptionReporterFilter

from localai_site.logs import without_secrets


class ReportFilter(SafeExceptionReporterFilter):
    """Django hides what has a telling name; this also what is inside an address."""

    def cleanse_setting(self, key: str | int, value: object) -> object:
        cleansed: object = super().cleanse_setting(key, value)
        return without_secrets(cleansed) if isinstance(cleansed, str) else cleansed
