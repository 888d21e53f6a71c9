"""How often one key, or one person's session, may ask: MAX_API_REQUESTS_PER_MINUTE, counted by each process for itself.

Not in Redis: it would have to be asked before each answer, and keeps nobody out that the gate does not.
"""

from __future__ import annotations

import math
import time
from collections import Counter

from django.conf import settings

from inference.api.errors import ApiError

WINDOW_SECONDS = 60


class Rate:
    """Of this minute."""

    def __init__(self) -> None:
        self._window = 0
        self._asked: Counter[str] = Counter()

    def count(self, who: str) -> None:
        """Raises ApiError 429 for who has asked too often."""
        now = time.time()
        if self._window != now // WINDOW_SECONDS:
            self._window = int(now // WINDOW_SECONDS)
            self._asked.clear()
        self._asked[who] += 1
        limit = settings.MAX_API_REQUESTS_PER_MINUTE
        if self._asked[who] > limit:
            seconds = math.ceil((self._window + 1) * WINDOW_SECONDS - now)
            message = f"More than {limit} requests in a minute. Try again in {seconds} s."
            headers = {"Retry-After": str(seconds)}
            raise ApiError(429, message, code="rate_limit_exceeded", type="rate_limit_error", headers=headers)


rate = Rate()
