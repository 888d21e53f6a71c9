"""Who looks on in this process. A frame wakes it once, however many pages show it.

All pages here share one channel of the layer. What comes over it is for all pages of a group, or for one.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Iterable, Mapping
from typing import Protocol
from weakref import WeakKeyDictionary

from chat.broadcast import channel_layer

logger = logging.getLogger(__name__)

LISTEN_AGAIN_SECONDS = 1.0


class Page(Protocol):
    name: str
    """No other page's."""

    def hear(self, event: Mapping[str, object]) -> None:
        """Must return at once: other pages wait behind this one."""


class Audience:
    """The open pages of one event loop."""

    def __init__(self) -> None:
        self.channel = ""
        """Where they hear."""
        self._layer = channel_layer()
        self._pages: dict[str, set[Page]] = {}
        """By what is for them: the name of a group, or their own."""
        self._groups: set[str] = set()
        self._listening: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()

    async def enter(self, page: Page, groups: Iterable[str]) -> None:
        """From now on the page hears what is sent to these groups, and what is for it alone."""
        async with self._changing:
            await self._open()
            self._pages.setdefault(page.name, set()).add(page)
            for group in groups:
                self._pages.setdefault(group, set()).add(page)
                self._groups.add(group)
                await self._layer.group_add(group, self.channel)  # also a known one: what got lost is mended

    async def leave(self, page: Page) -> None:
        """Harmless for one that never entered."""
        async with self._changing:
            for name in [name for name, pages in self._pages.items() if page in pages]:
                self._pages[name].remove(page)
                if not self._pages[name]:
                    del self._pages[name]
            empty = self._groups - self._pages.keys()
            self._groups -= empty
            for group in empty:
                await self._layer.group_discard(group, self.channel)
            if not self._pages and self._listening:
                self._listening.cancel()
                self._listening = None

    async def _open(self) -> None:
        if self._listening is None:
            self._layer = channel_layer()
            self.channel = await self._layer.new_channel()
            # Nothing of the request's context, which happens to be the first page's.
            self._listening = asyncio.get_running_loop().create_task(self._listen(), context=contextvars.Context())

    async def _listen(self) -> None:
        while True:
            try:
                event = await self._layer.receive(self.channel)
            except Exception:  # the layer's fault; what is missed meanwhile pages notice by themselves
                logger.exception("Open pages hear nothing for now.")
                await asyncio.sleep(LISTEN_AGAIN_SECONDS)
            else:
                self._deliver(event)

    def _deliver(self, event: Mapping[str, object]) -> None:
        for page in tuple(self._pages.get(str(event.get("to")), ())):  # another version's events may have none
            try:
                page.hear(event)
            except Exception:  # one page's fault
                logger.exception("A page could not be told.")


_audiences: WeakKeyDictionary[asyncio.AbstractEventLoop, Audience] = WeakKeyDictionary()


def audience() -> Audience:
    """The running loop's."""
    return _audiences.setdefault(asyncio.get_running_loop(), Audience())
