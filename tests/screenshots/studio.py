"""A site with a past, an engine that stops where a picture wants it to, and browsers before them."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, BrowserContext, Page, Playwright, StorageState, expect

from tests.screenshots.talks import MODEL
from tests.scripted_server import ScriptedServer, reply
from tests.site_process import PASSWORD, SiteProcess

HERE = Path(__file__).parent
LIVE_TOKENS_PER_SECOND = 120
TIME = "2026-03-18T10:30:00+00:00"
FLAGS = ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none", "--hide-scrollbars"]
SEED = "from tests.screenshots import seed; seed.save_all()"

Scheme = Literal["light", "dark"]


class Studio:
    """Every picture begins with the same database."""

    def __init__(self, folder: Path) -> None:
        self.script = ScriptedServer(model=MODEL).start()
        self.site = SiteProcess(
            folder,
            ENGINE="vllm-server",
            VLLM_SERVER_URL=self.script.url,
            MODEL_NAME=MODEL,
            PYTHONPATH=str(HERE / "clock"),
            SCREENSHOT_TIME=TIME,
        )
        self._begun = folder / "begun.sqlite3"
        self._holds: list[threading.Event] = []
        self._people: dict[str, StorageState] = {}

    def open(self) -> None:
        seeded = self.site.prepare().manage("shell", "-v0", "-c", SEED)
        assert seeded.returncode == 0, seeded.stderr
        self.site.start().wait_ready()

    def close(self) -> None:
        self._release()
        self.site.stop()
        self.script.stop()

    async def launch(self, playwright: Playwright) -> Browser:
        """A browser, in which ann and bob have logged in; what the database has then, every picture begins with."""
        self.browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name in ("ann", "bob"):
            async with self.visit(None) as page:
                await page.fill("#id_username", name)
                await page.fill("#id_password", PASSWORD)
                await page.click("button[type=submit]")
                await connected(page)
                self._people[name] = await page.context.storage_state()
        self._copy(self.site.folder / "db.sqlite3", self._begun)
        return self.browser

    @asynccontextmanager
    async def visit(
        self,
        name: str | None,
        width: int = 1280,
        height: int = 800,
        scheme: Scheme = "light",
        *,
        is_phone: bool = False,
    ) -> AsyncIterator[Page]:
        """The start page of a logged-in person, or (None) of somebody."""
        context: BrowserContext = await self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            reduced_motion="reduce",
            has_touch=is_phone,
            is_mobile=is_phone,
            storage_state=self._people[name] if name else None,
            locale="en-GB",
            timezone_id="UTC",
        )
        page = await context.new_page()
        await page.goto(f"{self.site.url}/")
        yield page
        await context.close()

    def begin_again(self) -> None:
        self._copy(self._begun, self.site.folder / "db.sqlite3")

    def hold_answer(self, thinking: str, answer: str, until: str) -> None:
        """The next answer comes at a usual pace, up to the text `until`, and stays there."""
        hold = threading.Event()
        self._holds.append(hold)
        whole = reply(thinking, answer)
        before = (
            reply(thinking, answer[: answer.index(until)])
            if until in answer
            else reply(thinking[: thinking.index(until)])
        )
        self.script.enqueue(whole, seconds_per_token=1 / LIVE_TOKENS_PER_SECOND, hold=hold, hold_at=len(before) - 2)

    async def end_answers(self) -> None:
        """Nothing runs any more, and the gate is free."""
        self._release()
        async with self.visit("ann") as page:
            await expect(page.locator("#engine-status")).to_have_attribute("data-state", "ready", timeout=30_000)

    def _release(self) -> None:
        for hold in self._holds:
            hold.set()
        self._holds.clear()

    def _copy(self, source: Path, target: Path) -> None:
        with closing(sqlite3.connect(source, timeout=20)) as old, closing(sqlite3.connect(target, timeout=20)) as new:
            old.backup(new)


async def connected(page: Page) -> None:
    """Until the page's socket has brought its first message."""
    await page.wait_for_selector("#composer")
    await page.wait_for_selector("body[data-connection=open]")
