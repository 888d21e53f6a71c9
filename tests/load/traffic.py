"""Requests that come when they come, whether or not the last ones are answered: as many a second as was chosen."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from random import Random

from websockets.exceptions import WebSocketException

from tests.load.browser import Browser
from tests.load.connection import BrokenAnswerError
from tests.load.mix import PAGE, REQUESTS, VISIT

PATIENCE_SECONDS = 30.0
WAITING = 2000
"""So many may wait for a browser that has nothing to do; more would only wait longer."""


class Records:
    """Milliseconds of each kind, from when a request was due: the time it had to wait for its turn is part of it."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, list[float]] = {}
        self.errors: Counter[str] = Counter()
        self.left_out = 0
        self.seconds = 0.0

    def note(self, kind: str, due: float, ended: float) -> None:
        self.milliseconds.setdefault(kind, []).append((ended - due) * 1000)

    @property
    def served(self) -> int:
        return sum(map(len, self.milliseconds.values()))


class Traffic:
    def __init__(self, browsers: Sequence[Browser], records: Records, random: Random) -> None:
        self._records, self._random = records, random
        self._free: asyncio.Queue[Browser] = asyncio.Queue()
        for browser in browsers:
            self._free.put_nowait(browser)
        self._waiting = 0

    async def run(self, rate: float, seconds: float) -> None:
        """So many requests a second, the sockets that pages open included; returns when all are answered."""
        pause = REQUESTS / sum(VISIT.values()) / rate
        kinds = self._random.choices(list(VISIT), list(VISIT.values()), k=round(seconds / pause))
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, kind in enumerate(kinds):
                due = began + number * pause
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if self._waiting < WAITING:
                    group.create_task(self._request(kind, due))
                else:
                    self._records.left_out += 1 + (kind == PAGE)
        self._records.seconds = time.perf_counter() - began

    async def _request(self, kind: str, due: float) -> None:
        self._waiting += 1
        browser = await self._free.get()
        self._waiting -= 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await browser.do(kind, due)
        except (OSError, EOFError, BrokenAnswerError, WebSocketException) as error:
            self._records.errors[f"{kind}: {type(error).__name__}: {error}"[:200]] += 1
        finally:
            self._free.put_nowait(browser)


async def come_one_by_one(browsers: Sequence[Browser], pages: int) -> None:
    """Each opens so many pages while nobody else asks for anything."""
    for browser in browsers:
        for _ in range(pages):
            with suppress(BrokenAnswerError):  # a socket that was lost before, and was counted then
                await browser.do(PAGE, time.perf_counter())
