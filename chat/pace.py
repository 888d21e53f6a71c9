"""What is worth doing now and then, however many pages ask for it."""

from __future__ import annotations

import time

SECONDS = 1.0


class Pace:
    """Whose turn is due at most once in so many seconds; each process has its own."""

    def __init__(self) -> None:
        self._next = 0.0

    def is_due(self) -> bool:
        """Says yes to one of all who ask; two that ask at the very same time may both hear it, which is harmless."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + SECONDS
        return True
