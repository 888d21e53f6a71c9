"""The worst that can happen to the real vLLM and to the server in mid-answer; Chromium looks on."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import psutil
import pytest
from playwright.async_api import Page, expect

from inference.parser import Channel, Parser
from tests.browser.conftest import OpenPage, ask, connected, ended
from tests.conftest import NewSite
from tests.document import shown
from tests.site_process import SavedAnswer, SiteProcess

logger = logging.getLogger(__name__)

ANSWER = "article[data-role=assistant] [data-part=answer]"
LONG = "Show me a long text"
SILENCE_SECONDS = 3
RESTART_MILLISECONDS = 120_000
GONE_SECONDS = 5.0

WATCH = """() => {
  const seen = (window.seen = { states: [], texts: [] });
  const note = () => {
    const state = document.querySelector("#engine-status").dataset.state;
    if (seen.states.at(-1) !== state) seen.states.push(state);
    const article = document.querySelector("article[data-role=assistant]");
    if (article?.dataset.status !== "streaming") return;
    const text = article.querySelector("[data-part=answer]").textContent.trim();
    if (seen.texts.at(-1)?.[1] !== text) seen.texts.push([Date.now() / 1000, text]);
  };
  new MutationObserver(note).observe(document.body, {
    subtree: true, childList: true, characterData: true, attributes: true,
  });
  note();
}"""


def words(text: str) -> str:
    """Without Markdown's marks, which are seen for a moment before they mean something."""
    return re.sub(r"\W+", " ", text).strip()


def settled(text: str) -> str:
    """Without the last words: one is half written, and a list's number is a word until its dot comes."""
    return text.rsplit(" ", 2)[0]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page has shown since it was watched: the engine's states, and the running answer's texts in time."""

    states: list[str]
    texts: list[tuple[float, str]]

    @classmethod
    async def on(cls, page: Page) -> Seen:
        seen = await page.evaluate("window.seen")
        return cls(seen["states"], [(at, words(text)) for at, text in seen["texts"]])

    @property
    def text(self) -> str:
        """The longest; its parts are the earlier ones."""
        text = self.texts[-1][1] if self.texts else ""
        assert all(text.startswith(settled(earlier)) for _, earlier in self.texts)
        return text

    def seconds_missing(self, saved_text: str) -> float:
        """How long before its last text the page had shown more than what is saved."""
        saved = words(shown(saved_text))
        assert self.text.startswith(settled(saved)) or saved.startswith(settled(self.text))
        more = [at for at, text in self.texts if len(text) > len(saved)]
        return self.texts[-1][0] - more[0] if more else 0.0

    def longest_pause(self, since: float) -> float:
        times = [since, *(at for at, _ in self.texts if at > since)]
        return max(later - earlier for earlier, later in pairwise(times))


@contextmanager
def slow(core: psutil.Process) -> Iterator[None]:
    """The engine as on a machine some six times slower: there is time to hit it in mid-answer."""
    is_over = threading.Event()

    def hinder() -> None:
        try:
            while not is_over.wait(0.01):
                core.suspend()
                is_over.wait(0.05)
                core.resume()
        except psutil.NoSuchProcess:  # killed, as the test wants it
            return

    thread = threading.Thread(target=hinder, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@pytest.fixture(scope="module")
def site(new_site: NewSite) -> Iterator[SiteProcess]:
    """As `demo_site`, with a watchdog that bites soon; each test leaves it ready again."""
    site = new_site(MODEL_NAME="demo", NEXT_TOKEN_TIMEOUT=str(SILENCE_SECONDS))
    try:
        yield site.start().wait_ready()
    finally:
        site.stop()


async def asked(site: SiteProcess, open_page: OpenPage) -> tuple[Page, int]:
    """A page that is watched, with a running answer that has been saved in part; returns the answer's key, too."""
    page = await open_page(site)
    await page.evaluate(WATCH)
    await ask(page, LONG)
    await expect(page.locator(ANSWER)).to_contain_text(re.compile(r"\w"), timeout=30_000)
    message = await key_of(page)
    async with asyncio.timeout(30):
        while not site.saved(message).text:
            await asyncio.sleep(0.02)
    assert site.saved(message).status == "streaming", "the fault would come too late"
    return page, message


async def until_ahead(page: Page, site: SiteProcess, message: int) -> None:
    """Until the page has shown more than is saved for half a second: then there is something to lose."""
    async with asyncio.timeout(30):
        while (await Seen.on(page)).seconds_missing(site.saved(message).text) < 0.5:
            await asyncio.sleep(0.02)


async def most_at_stake(page: Page, site: SiteProcess, message: int) -> float:
    """Seconds of text that a crash would have cost at the worst moment before the next checkpoint."""
    saved, most = site.saved(message).text, 0.0
    async with asyncio.timeout(30):
        while site.saved(message).text == saved:
            most = max(most, (await Seen.on(page)).seconds_missing(saved))
            await asyncio.sleep(0.02)
    return most


async def key_of(page: Page) -> int:
    identifier = await page.locator("article[data-role=assistant]").get_attribute("id")
    return int((identifier or "").removeprefix("message-"))


async def text_of(page: Page) -> str:
    return (await page.locator(ANSWER).text_content() or "").strip()


async def continued(page: Page, site: SiteProcess, message: int) -> None:
    """Press Continue: the same message is completed, after exactly what it was."""
    before = await text_of(page)
    await page.click("[data-action=continue]")
    await expect(page.locator("article[data-role=assistant]")).to_have_attribute("data-status", "complete")
    assert await key_of(page) == message
    assert len(await text_of(page)) > len(before)
    assert words(await text_of(page)).startswith(settled(words(before)))
    await assert_whole(page, site.saved(message))


async def assert_whole(page: Page, saved: SavedAnswer) -> None:
    """Page, saved text and saved tokens say the same."""
    parser = Parser()
    deltas = [*parser.feed(saved.token_ids), *parser.finish()]
    assert saved.text == "".join(delta.text for delta in deltas if delta.channel is Channel.FINAL)
    assert await text_of(page) == shown(saved.text)


async def test_an_answer_outlives_a_killed_engine(site: SiteProcess, open_page: OpenPage) -> None:
    core = site.engine_core()
    with slow(core):
        page, message = await asked(site, open_page)
        other = await page.context.new_page()
        await other.goto(page.url)
        await connected(other)
        await other.evaluate(WATCH)
        killed_at = time.time()
        core.kill()
        await expect(page.locator("#engine-status")).to_have_attribute("data-state", "restarting")
    before = (await Seen.on(page)).text
    for each in (page, other):
        assert await ended(each, seconds=120) == "complete"
        seen = await Seen.on(each)
        assert "restarting" in seen.states
        assert words(await text_of(each)).startswith(settled(seen.text))
        await assert_whole(each, site.saved(message))
    assert len(before) < len(await text_of(page)), "the engine was killed in mid-answer"
    assert await key_of(page) == message
    logger.info("seconds without text: %.2f", (await Seen.on(page)).longest_pause(killed_at))


async def test_a_frozen_engine_is_given_up_and_the_answer_can_go_on(site: SiteProcess, open_page: OpenPage) -> None:
    core = site.engine_core()
    with slow(core):
        page, message = await asked(site, open_page)
    core.suspend()
    frozen_at = time.monotonic()
    assert await ended(page) == "failed"
    logger.info("seconds until failed: %.2f", time.monotonic() - frozen_at)
    assert time.monotonic() - frozen_at < SILENCE_SECONDS + 4
    seen = await Seen.on(page)
    assert words(await text_of(page)).startswith(settled(seen.text))
    await expect(page.locator("article .note.error")).to_contain_text(f"nothing for {SILENCE_SECONDS} seconds")
    await assert_whole(page, site.saved(message))
    status = page.locator("#engine-status")
    await expect(status).to_have_attribute("data-state", "ready", timeout=RESTART_MILLISECONDS)
    assert "restarting" in (await Seen.on(page)).states
    logger.info("seconds until ready again: %.2f", time.monotonic() - frozen_at)
    assert not psutil.wait_procs([core], timeout=GONE_SECONDS)[1]
    await continued(page, site, message)


async def test_a_killed_server_loses_a_second_at_most(site: SiteProcess, open_page: OpenPage) -> None:
    with slow(site.engine_core()):
        page, message = await asked(site, open_page)
        family = site.family()
        at_stake = await most_at_stake(page, site, message)
        await until_ahead(page, site, message)
        site.stop(signal.SIGKILL)
    assert not psutil.wait_procs(family, timeout=GONE_SECONDS)[1]
    seen = await Seen.on(page)
    site.start()
    await page.wait_for_selector("article[data-status=interrupted]")
    saved = site.saved(message)
    assert saved.status == "interrupted"
    assert saved.text
    missing = seen.seconds_missing(saved.text)
    logger.info("seconds missing: %.2f, %.2f at the worst moment", missing, at_stake)
    assert max(missing, at_stake) < 2.0, "checkpoints come each second, and take a moment"
    await assert_whole(page, saved)
    site.wait_ready()
    await continued(page, site, message)


async def test_a_server_that_is_told_to_end_loses_nothing(site: SiteProcess, open_page: OpenPage) -> None:
    with slow(site.engine_core()):
        page, message = await asked(site, open_page)
        family = site.family()
        await until_ahead(page, site, message)
        site.stop(signal.SIGTERM)
    assert not psutil.wait_procs(family, timeout=GONE_SECONDS)[1]
    seen = await Seen.on(page)
    saved = site.saved(message)
    assert words(shown(saved.text)).startswith(settled(seen.text))
    assert seen.text
    site.start()
    await page.wait_for_selector("article[data-status=interrupted]")
    await assert_whole(page, saved)
    site.wait_ready()
    await continued(page, site, message)
