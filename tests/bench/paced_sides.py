"""The site on an engine of known pace beside the bare page: the same tokens in turns, one page at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser

from inference.parser import Parser
from tests.bench.bare_daphne import BareDaphne
from tests.bench.bare_page import BarePage, bare_page
from tests.bench.measured_site import Answer, MeasuredSite, browser_cpu_seconds, measured_site
from tests.bench.paced_server import MARKDOWN, PLAIN, PacedServer, answer_of
from tests.bench.page import Sighting
from tests.bench.relayed import relayed_cpu_seconds
from tests.bench.timeline import Positions, Timeline

MAX_TOKENS = 10_000
THINKING_SHARE = 10
"""One token of so many is thought before the answer."""
PROMPT = "Go on for a while"


@dataclass(frozen=True, slots=True)
class Case:
    """What is streamed; without a pace, as fast as it is taken."""

    tokens: int
    tokens_per_second: float | None
    is_markdown: bool = True

    def __str__(self) -> str:
        pace = f"{self.tokens_per_second:,.0f} tok/s" if self.tokens_per_second else "as fast as it is taken"
        return f"{pace}, {self.tokens:,} tokens of {'Markdown' if self.is_markdown else 'plain text'}"

    @property
    def token_ids(self) -> list[int]:
        thinking = self.tokens // THINKING_SHARE
        return answer_of(self.tokens - thinking, MARKDOWN if self.is_markdown else PLAIN, thinking)


@dataclass(frozen=True, slots=True)
class Run:
    """One answer, as sent and as shown. `updates` are the changes of the page's text."""

    tokens: int
    sent_per_second: float
    shown_per_second: float
    to_engine_seconds: float
    first_text_seconds: float
    last_text_seconds: float
    drawn_seconds: float
    settled_seconds: float
    updates: int
    longest_pause_seconds: float
    main_thread_seconds: float
    browser_cpu_seconds: float
    web_cpu_seconds: float = 0.0

    @classmethod
    def of(cls, server: PacedServer, seen: Sighting, browser_cpu: float, web_cpu: float = 0.0) -> Run:
        sent = server.timeline
        return cls(
            tokens=len(sent.token_ids),
            sent_per_second=sent.tokens_per_second,
            shown_per_second=shown_per_second(sent, seen),
            to_engine_seconds=server.request_time - seen.pressed,
            first_text_seconds=seen.first_text_time - sent.first_text_time,
            last_text_seconds=seen.last_text_time - sent.last_text_time,
            drawn_seconds=seen.drawn - sent.last_text_time,
            settled_seconds=seen.settled - sent.times[-1],
            updates=len(seen.texts),
            longest_pause_seconds=seen.longest_pause_seconds,
            main_thread_seconds=seen.main_thread_seconds,
            browser_cpu_seconds=browser_cpu,
            web_cpu_seconds=web_cpu,
        )

    @property
    def added_seconds(self) -> float:
        return self.to_engine_seconds + self.first_text_seconds

    def per_thousand(self, seconds: float) -> float:
        return seconds / self.tokens * 1000


def shown_per_second(sent: Timeline, seen: Sighting) -> float:
    """From the first text on the page to the last; what the first showing brought does not count. 0 if that was all."""
    positions = Positions.of(sent.token_ids)
    shown_first = positions.showing(seen.texts[0][1])
    seconds = seen.last_text_time - seen.first_text_time
    return (positions.last - shown_first) / seconds if seconds else 0.0


@dataclass(frozen=True, slots=True)
class Pair:
    case: Case
    bare: Run
    ours: Run
    is_bare_first: bool
    relay_cpu_seconds: float
    load: float


@dataclass(frozen=True, slots=True)
class Sides:
    site: MeasuredSite
    engine: PacedServer
    bare: BarePage
    relay: BareDaphne

    def run_relay(self, case: Case) -> float:
        """The CPU seconds of a process that hands on what comes, and does nothing else."""
        self.engine.script(case.token_ids, case.tokens_per_second)
        return relayed_cpu_seconds(self.relay, self.engine)

    def run_site(self, case: Case) -> Run:
        self.engine.script(case.token_ids, case.tokens_per_second)
        answer: Answer = self.site.ask(PROMPT)
        if answer.saved.token_ids != case.token_ids:
            raise RuntimeError("What was saved is not what the engine sent.")
        return Run.of(self.engine, answer.sighting, answer.browser_cpu_seconds, answer.cpu_seconds)

    def run_bare(self, case: Case) -> Run:
        server = self.bare.server
        server.script(case.token_ids, case.tokens_per_second)
        before = browser_cpu_seconds()
        seen = self.bare.ask(PROMPT)
        spent = browser_cpu_seconds() - before
        if seen.answer != "".join(delta.text for delta in Parser().feed(case.token_ids)):
            raise RuntimeError("What the bare page shows is not what it was sent.")
        return Run.of(server, seen, spent)

    def pairs(self, cases: Sequence[Case], rounds: int, say: Callable[[str], None]) -> Iterator[Pair]:
        """All cases in each round; the sides take turns to go first."""
        for number in range(rounds):
            for case in cases:
                is_bare_first = bool(number % 2)
                first = self.run_bare(case) if is_bare_first else None
                ours = self.run_site(case)
                bare = first or self.run_bare(case)
                yield Pair(case, bare, ours, is_bare_first, self.run_relay(case), os.getloadavg()[0])
                say(".")


@contextmanager
def sides(folder: Path, browser: Browser) -> Iterator[Sides]:
    engine = PacedServer()
    engine.start()
    settings = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": engine.url, "MODEL_NAME": "scripted"}
    settings |= {"DEFAULT_MAX_TOKENS": str(MAX_TOKENS)}
    try:
        with (
            measured_site(folder / "site", browser.new_page(), **settings) as (_, site),
            bare_page(browser.new_page()) as bare,
            BareDaphne("bare_relay") as relay,
        ):
            yield Sides(site, engine, bare, relay)
    finally:
        engine.stop()
