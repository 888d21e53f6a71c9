"""Whoever looks at an answer, and however, ends with exactly what the engine wrote; on both channel layers."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from playwright.async_api import Page

from tests.browser.conftest import OpenPage, ask, connected, ended
from tests.conftest import NewSite
from tests.document import shown
from tests.scripted_server import Script, ScriptedServer, reply
from tests.viewer import Person, Viewer

ANSWER = "article[data-role=assistant] [data-part=answer]"
THINKING = "Hm: <i>what</i> & how? 🤔 " * 20
TRUTH = "\n\n".join(f"Line {number}: <b>Ask</b> & see:\n  👩‍🚀 é {number}" for number in range(100))
RELOADS = 20
WATCHERS = 100
STALL_SECONDS = 10


async def text_of(page: Page) -> str:
    return (await page.locator(ANSWER).text_content() or "").strip()


async def new_tab(page: Page) -> Page:
    tab = await page.context.new_page()
    await tab.goto(page.url)
    return tab


async def test_whoever_looks_sees_what_the_engine_wrote(
    layer: dict[str, str], script: ScriptedServer, new_site: NewSite, open_page: OpenPage
) -> None:
    settings = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": script.url, "MODEL_NAME": "scripted"}
    site = new_site(DEFAULT_MAX_TOKENS="4000", **settings, **layer)
    ids = reply(THINKING, TRUTH)
    answer = Script(ids, seconds_per_token=0.002, hold=threading.Event(), hold_at=len(ids) // (RELOADS + 2))
    script.scripts.append(answer)
    moments = random.Random(5)
    try:
        site.start().wait_ready()
        page = await open_page(site)
        person = await asyncio.to_thread(Person, site)
        path = urlsplit(page.url).path
        async with AsyncExitStack() as stack:

            async def look(count: int) -> list[Viewer]:
                viewers = [Viewer(person, site, path) for _ in range(count)]
                return list(await asyncio.gather(*map(stack.enter_async_context, viewers)))

            viewers = await look(WATCHERS - 20)
            await ask(page, "Write")
            await page.wait_for_selector("article[data-status=streaming]")
            viewers[0].stall()
            stalled_at = time.monotonic()
            tabs: list[Page] = []
            for number in range(RELOADS):
                answer.hold_at += len(ids) // (RELOADS + 2)
                await asyncio.sleep(moments.uniform(0, 0.3))
                await page.reload()
                assert shown(TRUTH).startswith(await text_of(page))
                if number in (3, 7):
                    tabs.append(await new_tab(page))
                if number in (11, 15):
                    await tabs[number // 15].close()
                if number == 9:
                    viewers += await look(20)
            await asyncio.sleep(stalled_at + STALL_SECONDS - time.monotonic())
            assert all(viewer.status == "streaming" for viewer in viewers)
            viewers[0].go_on()
            last_tab = await new_tab(page)
            assert answer.hold
            answer.hold.set()
            for each in (page, last_tab):
                await connected(each)
                assert await ended(each) == "complete"
                assert await text_of(each) == shown(TRUTH)
            for viewer in viewers:
                assert await viewer.until_ended() == "complete"
                assert viewer.answer == shown(TRUTH)
                assert viewer.thinking == THINKING
            assert len(viewers) == WATCHERS
            saved = site.saved(viewers[0].message)
            assert (saved.thinking, saved.text, saved.token_ids) == (THINKING, TRUTH, ids)
            # Not after the end: a hundred sockets that go while the server does make channels_redis complain.
            assert "Traceback" not in site.log
    finally:
        site.stop()
