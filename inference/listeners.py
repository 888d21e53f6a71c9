"""Who wants to hear of a change."""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)

Listener = Callable[[], None]


class Listeners:
    """Called one after the other; the error of one is logged and keeps nothing from the others."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def tell(self) -> None:
        for listener in self._listeners:
            try:
                listener()
            except Exception:  # the listener's fault, and no reason to hold a place for ever
                logger.exception("A listener failed.")
