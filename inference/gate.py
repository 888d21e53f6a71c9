"""The gate: how many generations may run at once, for chat, API and commands together.

Knows nothing of what runs behind it. In the memory of one process; used from one event loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings

from inference.errors import BusyError

logger = logging.getLogger(__name__)

Listener = Callable[[], None]


class Gate:
    """Admits up to `width` holders; who comes too late is refused, not queued."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.held = 0
        self._listeners: list[Listener] = []

    @property
    def is_full(self) -> bool:
        return self.held >= self.width

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Take a place for the length of the block; raises BusyError when there is none."""
        if self.is_full:
            raise BusyError
        self.held += 1
        try:
            self._tell()
            yield
        finally:
            self.held -= 1
            self._tell()

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` after every change."""
        self._listeners.append(listener)

    def _tell(self) -> None:
        for listener in self._listeners:
            try:
                listener()
            except Exception:  # the listener's fault, and no reason to hold a place for ever
                logger.exception("A listener of the gate failed.")


@cache
def get_gate() -> Gate:
    """The gate of this process."""
    return Gate(settings.MAX_CONCURRENT_GENERATIONS)
