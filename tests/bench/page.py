"""A page in headless Chromium, watched from within by probe.js; and the site's, where a person is logged in."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.chromium import FLAGS
from tests.site_process import PASSWORD, SiteProcess

PROBE = Path(__file__).with_name("probe.js")
ANSWER_SECONDS = 180
TYPING_SECONDS = 0.3
"""A person types for longer: what the opening of the page has set in motion has come to rest by then."""
AFTER_SECONDS = 0.5
"""What is done behind the answer's end, such as saving it, is part of its cost."""
CLOCK_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Sighting:
    """One answer as it appeared: epoch seconds, and how many characters were there.

    `drawn` is when the last text was painted. `main_thread_seconds` are the CPU's, from before
    Enter until shortly after the end.
    """

    pressed: float
    texts: list[tuple[float, int]]
    drawn: float
    settled: float
    message: int
    status: str
    answer: str
    thinking: str
    main_thread_seconds: float

    @property
    def first_text_time(self) -> float:
        return self.texts[0][0]

    @property
    def last_text_time(self) -> float:
        return self.texts[-1][0]

    @property
    def longest_pause_seconds(self) -> float:
        """Between two pieces of text."""
        times = [at for at, _ in self.texts]
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


class Watch:
    """Of all that is opened in this page from now on."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.add_init_script(path=PROBE)
        self._devtools = page.context.new_cdp_session(page)
        self._devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def press_enter(self) -> Sighting:
        """Send what was typed and watch until the answer has ended."""
        self._check_clock()
        spent_before = self._main_thread_seconds()
        self.page.keyboard.press("Enter")
        seen = self.page.evaluate("(limit) => sightingWithin(limit)", ANSWER_SECONDS * 1000)
        time.sleep(AFTER_SECONDS)
        spent = self._main_thread_seconds() - spent_before
        origin = self.page.evaluate("performance.timeOrigin")
        texts = [((origin + at) / 1000, characters) for at, characters in seen["texts"]]
        if not texts or seen["status"] not in ("complete", "length"):
            raise RuntimeError(f"The page shows an answer that is {seen['status']} and has {len(texts)} pieces.")
        return Sighting(
            pressed=(origin + seen["pressed"]) / 1000,
            texts=texts,
            drawn=(origin + seen["drawn"]) / 1000,
            settled=(origin + seen["settled"]) / 1000,
            message=seen["message"],
            status=seen["status"],
            main_thread_seconds=spent,
            **self.page.evaluate("shown()"),
        )

    def text_of(self, html: str) -> str:
        """As the browser reads it."""
        return str(self.page.evaluate("(html) => textOf(html)", html))

    def _main_thread_seconds(self) -> float:
        """The CPU's time, in microseconds' steps, that the page's main thread has had."""
        metrics = self._devtools.send("Performance.getMetrics")["metrics"]
        (seconds,) = (metric["value"] for metric in metrics if metric["name"] == "ThreadTime")
        return float(seconds)

    def _check_clock(self) -> None:
        """The page's clock and this process's must agree, or nothing can be said across them."""
        for _ in range(20):
            before = time.time()
            there = self.page.evaluate("performance.timeOrigin + performance.now()") / 1000
            if before - CLOCK_SECONDS < there < time.time() + CLOCK_SECONDS:
                return
        raise RuntimeError("Chromium's clock differs from Python's.")


class WatchedPage:
    """A logged-in person's page of the site. Each prompt is the first of a new conversation."""

    def __init__(self, page: Page, site: SiteProcess) -> None:
        self._page = page
        self._site = site
        self.watch = Watch(page)
        page.goto(f"{site.url}/")
        page.fill("#id_username", "ann")
        page.fill("#id_password", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_selector("#composer")

    def open(self) -> None:
        """Anew, as after a restart of the server."""
        self._page.goto(f"{self._site.url}/")

    def leave(self) -> None:
        self._page.goto("about:blank")

    def type(self, prompt: str, effort: str) -> None:
        """Open a new conversation and type the prompt."""
        page = self._page
        page.bring_to_front()
        with page.expect_navigation():
            page.click("[data-action=new]")
        page.wait_for_selector("body[data-connection=open]")
        page.select_option("#composer [name=effort]", effort)
        page.fill("textarea[name=prompt]", prompt)
        page.focus("textarea[name=prompt]")
        time.sleep(TYPING_SECONDS)

    def press_enter(self) -> Sighting:
        """Send it and watch until the answer has ended."""
        return self.watch.press_enter()


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()
