"""Headless Chromium (Debian's) before real servers: one on the real vLLM, one on a scripted engine."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.chromium import FLAGS
from tests.conftest import NewSite
from tests.scripted_server import ScriptedServer
from tests.services import RedisServer
from tests.site_process import PASSWORD, SiteProcess

OF_A_STOPPED_SERVER = re.compile(
    r"WebSocket connection|ERR_CONNECTION_REFUSED|status of 503|^\[object Event\]$"
    r"|^htmx:(afterRequest|sendAbort|sendError)"
)
"""Chromium's and htmx's own words for what some tests do on purpose: stop the server, leave in mid-request."""

CLOSE_SECONDS = 20

OpenPage = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
def scripted_site(script: ScriptedServer, new_site: NewSite) -> Iterator[SiteProcess]:
    """The product over HTTP to an engine that writes what a test tells it to."""
    site = new_site(ENGINE="vllm-server", VLLM_SERVER_URL=script.url, MODEL_NAME="scripted")
    try:
        yield site.start().wait_ready()
    finally:
        site.stop()


@pytest.fixture(params=["memory", "redis"])
def layer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings that choose the channel layer and the gate."""
    if request.param == "memory":
        yield {}
        return
    server = RedisServer(tmp_path)
    server.start()
    yield {"REDIS_URL": server.url}
    server.stop()


@pytest.fixture
async def open_page(browser: Browser) -> AsyncIterator[OpenPage]:
    """Opens a page for a logged-in person; at the end no page may have complained on its console."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    async def opened(site: SiteProcess, name: str = "ann", **options: object) -> Page:
        context = await browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = await context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{site.url}/")
        await page.fill("#id_username", name)
        await page.fill("#id_password", PASSWORD)
        await page.click("button[type=submit]")
        await page.click("[data-action=new]")
        await connected(page)
        return page

    yield opened
    for context in contexts:
        with suppress(TimeoutError):  # Chromium forgets it now and then, once in hundreds; it ends with the browser
            await asyncio.wait_for(context.close(), CLOSE_SECONDS)
    assert [text for text in complaints if not OF_A_STOPPED_SERVER.search(text)] == []


async def connected(page: Page) -> None:
    """Until the page's socket has brought its first message."""
    await page.wait_for_selector("#composer")
    await page.wait_for_selector("body[data-connection=open]")


async def ask(page: Page, prompt: str, effort: str = "low") -> None:
    await page.select_option("#composer [name=effort]", effort)
    await page.fill("textarea[name=prompt]", prompt)
    await page.click("[data-action=send]")


async def ended(page: Page, number: int = 1, seconds: float = 60) -> str:
    """Wait until the page shows `number` answers and none runs; returns the last one's status."""
    async with asyncio.timeout(seconds):
        while True:
            answers = page.locator("article[data-role=assistant]")
            if await answers.count() == number:
                status = await answers.last.get_attribute("data-status")
                if status and status != "streaming":
                    return status
            await asyncio.sleep(0.05)
