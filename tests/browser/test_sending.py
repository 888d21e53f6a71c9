"""What the person sends reaches the engine once, whatever the connection does, and Stop reaches it at once."""

from __future__ import annotations

import asyncio
import logging
import re
import statistics
import threading
import time
from collections.abc import AsyncIterator
from copy import copy

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPage, ask, ended
from tests.proxy import Proxy
from tests.scripted_server import ScriptedServer, reply
from tests.site_process import SiteProcess

logger = logging.getLogger(__name__)

STOPS = 10

NOTE_CLICKS = """document.addEventListener("click", (event) => {
  window.clickedAt = (performance.timeOrigin + event.timeStamp) / 1000;
}, { capture: true })"""


@pytest.fixture
async def proxy(scripted_site: SiteProcess) -> AsyncIterator[Proxy]:
    proxy = Proxy(scripted_site.port)
    await proxy.open()
    yield proxy
    await proxy.close()


@pytest.fixture
def behind(proxy: Proxy, scripted_site: SiteProcess) -> SiteProcess:
    """The site as it is reached through the proxy."""
    site = copy(scripted_site)
    site.port = proxy.port
    return site


async def test_a_prompt_for_a_server_that_is_away_is_sent_once_when_it_is_back(
    scripted_site: SiteProcess, behind: SiteProcess, proxy: Proxy, script: ScriptedServer, open_page: OpenPage
) -> None:
    page = await open_page(behind)
    await proxy.close()
    scripted_site.stop()
    await expect(page.locator("body")).to_have_attribute("data-connection", "lost")
    await expect(page.locator("#connection")).to_have_text("reconnecting…")
    await ask(page, "Later")
    await expect(page.locator("#alert")).to_contain_text("as soon as the server is back")
    await page.click("[data-action=send]")
    assert await page.input_value("#prompt") == "Later"
    scripted_site.start().wait_ready()
    await proxy.open()
    assert await ended(page) == "complete"
    await expect(page.locator("#prompt")).to_have_value("")
    await expect(page.locator("[data-part=prompt]")).to_have_text(["Later"])
    await page.reload()
    await expect(page.locator("[data-part=prompt]")).to_have_text(["Later"])
    assert len(script.requests) == 1


@pytest.mark.parametrize("after", [True, False], ids=["after it arrived", "before it arrived"])
async def test_a_prompt_on_which_the_connection_breaks_counts_once(
    behind: SiteProcess, proxy: Proxy, script: ScriptedServer, open_page: OpenPage, *, after: bool
) -> None:
    page = await open_page(behind)
    proxy.break_next(after=after)
    await ask(page, "Once")
    assert await ended(page) == "complete"
    assert proxy.has_broken
    await expect(page.locator("#prompt")).to_have_value("")
    await expect(page.locator("[data-part=prompt]")).to_have_text(["Once"])
    await expect(page.locator("#conversation-list li.current")).to_have_text(re.compile("Once"))
    await ask(page, "Twice")
    assert await ended(page, 2) == "complete"
    await expect(page.locator("[data-part=prompt]")).to_have_text(["Once", "Twice"])
    assert len(script.requests) == 2


async def test_stop_reaches_the_engine_at_once(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    page = await open_page(scripted_site)
    await page.evaluate(NOTE_CLICKS)
    delays = []
    for number in range(1, STOPS + 1):
        script.enqueue(reply("", "word " * 500), seconds_per_token=0.002, hold=threading.Event(), hold_at=50)
        await ask(page, "Write")
        answer = page.locator("article[data-role=assistant]").nth(number - 1).locator("[data-part=answer]")
        await expect(answer).to_contain_text("word word")
        click = asyncio.create_task(page.click("[data-action=stop]"))
        async with asyncio.timeout(10):
            while script.dropped < number:
                await asyncio.sleep(0.001)
        dropped_at = time.time()
        await click
        delays.append(dropped_at - await page.evaluate("window.clickedAt"))
        assert await ended(page, number) == "stopped"
    logger.info(
        "Stop reached the engine after %.3f s (median), %.3f s at most.", statistics.median(delays), max(delays)
    )
    assert max(delays) < 2
