"""The gate: how many generations may run at once, for chat, API and commands together.

Knows nothing of what runs behind it. Without Redis it is in the memory of one process, used from one event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Protocol

from django.conf import settings

from inference.errors import BusyError
from inference.listeners import Listener, Listeners


class Gate(Protocol):
    """Admits up to `width` holders; who comes too late is refused, not queued."""

    @property
    def width(self) -> int: ...

    @property
    def held(self) -> int: ...

    @property
    def is_full(self) -> bool: ...

    def hold(self) -> AbstractAsyncContextManager[None]:
        """Take a place for the length of the block; raises BusyError when there is none."""

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` after every change of `held`."""


class MemoryGate:
    """Of this process alone. Exact because nothing is awaited between looking and taking."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.held = 0
        self._listeners = Listeners()

    @property
    def is_full(self) -> bool:
        return self.held >= self.width

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        if self.is_full:
            raise BusyError
        self.held += 1
        try:
            self._listeners.tell()
            yield
        finally:
            self.held -= 1
            self._listeners.tell()

    def subscribe(self, listener: Listener) -> None:
        self._listeners.add(listener)


@cache
def get_gate() -> Gate:
    """The gate that this process uses."""
    if not settings.REDIS_URL:
        return MemoryGate(settings.MAX_CONCURRENT_GENERATIONS)

    from inference.shared_gate import SharedGate  # Redis's client takes a tenth of a second to import

    return SharedGate(settings.MAX_CONCURRENT_GENERATIONS, settings.REDIS_URL)
