"""A request that waits for its server, and can be ended at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(slots=True)
class PendingRequest:
    """A running request, which can be ended at once whatever it waits for."""

    loop: asyncio.AbstractEventLoop
    limit: asyncio.Timeout | None = None
    is_ended: bool = False
    is_aborted: bool = False

    async def unless_ended(self, awaitable: Awaitable[Result]) -> Result:
        """Await however long it takes; raises TimeoutError as soon as `end` is called."""
        async with asyncio.timeout(0 if self.is_ended else None) as self.limit:
            try:
                return await awaitable
            finally:
                self.limit = None

    def end(self) -> None:
        """Harmless when ended already; in the request's own loop only."""
        if self.limit and not self.is_ended:
            self.limit.reschedule(self.loop.time())
        self.is_ended = True
