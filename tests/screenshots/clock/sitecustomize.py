"""On the path of a site that is photographed: its clock starts at SCREENSHOT_TIME, so that no date changes."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from django.utils import timezone

_behind = datetime.now(UTC) - datetime.fromisoformat(os.environ["SCREENSHOT_TIME"])
_real_now = timezone.now


def now() -> datetime:
    return _real_now() - _behind


timezone.now = now
