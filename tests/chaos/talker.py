"""Somebody who talks on, whatever breaks: sends again what was not taken, comes back, and reads every word."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import httpx
from websockets.exceptions import WebSocketException

from tests.chaos.engine import answer_to
from tests.document import shown
from tests.site_process import SiteProcess
from tests.viewer import Person, Viewer

AWAY = (httpx.HTTPError, WebSocketException, OSError, TimeoutError, AssertionError)
"""The page is not there, or not as it should be: one comes back."""
COME_BACK_SECONDS = 0.2
SEND_AGAIN_SECONDS = 0.3
PATIENCE_SECONDS = 90.0
PROMPTS_OF_EACH_CONVERSATION = 8
HALF_CHARACTER = "\ufffd"
"""What an answer may end with that was cut off between two tokens of one character; Continue completes it."""
CAN_GO_ON = ("stopped", "interrupted", "length", "failed")


class BrokenPromiseError(Exception):
    """What must never be seen."""


@dataclass
class Talker:
    """`asked` are the prompts that a page showed as taken."""

    name: str
    person: Person
    sites: list[SiteProcess]
    random: Random
    is_known: bool = True
    """Whether it is known what the engine answers."""
    asked: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    is_over: bool = False
    is_done: bool = False
    _path: str = ""
    _pending: tuple[str, str] | None = None
    """A prompt that was sent, or shall be, and its key."""
    _prompts: int = 0
    _visits: int = 0
    _page: Viewer | None = None

    # What happens to them

    def be_cut(self) -> None:
        if self._page:
            self._page.cut()

    def stall(self) -> None:
        if self._page:
            self._page.stall()

    def go_on(self) -> None:
        if self._page:
            self._page.go_on()

    # What they do

    async def talk(self) -> None:
        """Until it is over and the last answer has ended."""
        while not self.is_done:
            try:
                await self._visit()
            except AWAY as error:
                self.seen[f"away: {type(error).__name__}"] += 1
                await asyncio.sleep(COME_BACK_SECONDS)

    async def _visit(self) -> None:
        """The server after the one that was away, as a proxy would."""
        site = self.sites[self._visits % len(self.sites)]
        self._visits += 1
        if not self._path:
            self._path = await asyncio.to_thread(self.person.new_conversation, site)
        async with Viewer(self.person, site, self._path) as self._page:
            try:
                await self._sit(self._page)
            finally:
                self._page = None

    async def _sit(self, page: Viewer) -> None:
        while not page.is_cut:
            await self._until(page, lambda it: it.status != "streaming")
            if page.is_cut:
                return  # type: ignore[unreachable]  # it is cut meanwhile
            self.seen[page.status] += bool(page.status)
            if self._pending is None and self.is_over:
                self.is_done = True
                return
            if self._pending is None and len(page.prompts) >= PROMPTS_OF_EACH_CONVERSATION:
                self._path = ""
                return
            await self._order(page)

    async def _order(self, page: Viewer) -> None:
        if self._pending is None and page.answers and self.random.random() < 0.4:
            await self._act(page)
        else:
            await self._ask(page)
        if self.random.random() < 0.1 and page.status == "streaming":
            await page.act("stop")

    async def _act(self, page: Viewer) -> None:
        action = "continue" if page.status in CAN_GO_ON and page.answer else "regenerate"
        before = (page.message, page.status)
        await page.act(action)
        self.seen[action] += 1
        with suppress(TimeoutError):  # refused: the model is busy
            async with asyncio.timeout(SEND_AGAIN_SECONDS):
                await self._until(page, lambda it: (it.message, it.status) != before)

    async def _ask(self, page: Viewer) -> None:
        if self._pending is None:
            self._prompts += 1
            self._pending = f"{self.name}q{self._prompts}", f"{self.name}-{self._prompts}"
        prompt, key = self._pending
        while prompt not in page.prompts and not page.is_cut:
            await page.send(json.dumps({"prompt": prompt, "key": key, "effort": "low", "edits": "", "HEADERS": {}}))
            try:
                async with asyncio.timeout(SEND_AGAIN_SECONDS):
                    await self._until(page, lambda it: prompt in it.prompts)
            except TimeoutError:
                self.seen["sent again"] += 1
        if prompt in page.prompts:
            self.asked.append(prompt)
            self._pending = None

    async def _until(self, page: Viewer, condition: Callable[[Viewer], bool]) -> None:
        """Or until the connection is lost. Each state of the page that is seen must be a beginning of the truth."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    page._news.clear()
                    self.frames += len(page._frames)
                    is_so = self._look(page, condition)
                    if is_so or page.is_cut:
                        return
                    await page._news.wait()
        except TimeoutError:
            raise BrokenPromiseError(
                f"{self.name}: for {PATIENCE_SECONDS:.0f} s nothing became of message {page.status=} {page.alert=} "
                f"{page.prompts[-1:]}"
            ) from None

    def _look(self, page: Viewer, condition: Callable[[Viewer], bool]) -> bool:
        try:
            is_so = condition(page)
            self._check(page)
        except AssertionError as error:
            raise BrokenPromiseError(f"{self.name}: the page cannot take what it was sent: {error}") from error
        return is_so

    def _check(self, page: Viewer) -> None:
        if self.is_known and page.answers and page.prompts:
            whole = shown(answer_to(page.prompts[-1]))
            begun = page.answer.rstrip(HALF_CHARACTER)
            is_right = page.answer == whole if page.status == "complete" else whole.startswith(begun)
            if not is_right:
                raise BrokenPromiseError(f"{self.name}: {page.status} is shown as {page.answer!r}, not {whole!r}")
