"""The site's page in headless Chromium, watched from within by probe.js."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import FLAGS
from tests.site_process import PASSWORD, SiteProcess

PROBE = Path(__file__).with_name("probe.js")
ANSWER_SECONDS = 180
TYPING_SECONDS = 0.3
"""A person types for longer: what the opening of the page has set in motion has come to rest by then."""
CLOCK_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Sighting:
    """One answer as it appeared: epoch seconds, and how many characters were there."""

    pressed: float
    texts: list[tuple[float, int]]
    settled: float
    message: int
    status: str

    @property
    def first_text_time(self) -> float:
        return self.texts[0][0]

    @property
    def last_text_time(self) -> float:
        return self.texts[-1][0]


class WatchedPage:
    """A logged-in person's page. Each prompt is the first of a new conversation."""

    def __init__(self, page: Page, site: SiteProcess) -> None:
        self._page = page
        page.add_init_script(path=PROBE)
        page.goto(f"{site.url}/")
        page.fill("#id_username", "ann")
        page.fill("#id_password", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_selector("#composer")
        self._check_clock()

    def type(self, prompt: str, effort: str) -> None:
        """Open a new conversation and type the prompt."""
        page = self._page
        with page.expect_navigation():
            page.click("[data-action=new]")
        page.wait_for_selector("body[data-connection=open]")
        page.select_option("#composer [name=effort]", effort)
        page.fill("textarea[name=prompt]", prompt)
        page.focus("textarea[name=prompt]")
        time.sleep(TYPING_SECONDS)

    def press_enter(self) -> Sighting:
        """Send it and watch until the answer has ended."""
        page = self._page
        page.keyboard.press("Enter")
        seen = page.evaluate("(limit) => sightingWithin(limit)", ANSWER_SECONDS * 1000)
        origin = page.evaluate("performance.timeOrigin")
        texts = [((origin + at) / 1000, characters) for at, characters in seen["texts"]]
        if not texts or seen["status"] not in ("complete", "length"):
            raise RuntimeError(f"The page shows an answer that is {seen['status']} and has {len(texts)} pieces.")
        return Sighting(
            pressed=(origin + seen["pressed"]) / 1000,
            texts=texts,
            settled=(origin + seen["settled"]) / 1000,
            message=seen["message"],
            status=seen["status"],
        )

    def _check_clock(self) -> None:
        """The page's clock and this process's must agree, or nothing can be said across them."""
        for _ in range(20):
            before = time.time()
            there = self._page.evaluate("performance.timeOrigin + performance.now()") / 1000
            if before - CLOCK_SECONDS < there < time.time() + CLOCK_SECONDS:
                return
        raise RuntimeError("Chromium's clock differs from Python's.")


@contextmanager
def chromium() -> Iterator[tuple[Page, str]]:
    """An empty page, and the browser's version."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser.new_page(), browser.version
        browser.close()
