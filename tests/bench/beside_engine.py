"""Part `engine`: the site on the real vLLM beside the bare engine: the same prompts in turns, one at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tests.bench.bare_engine import BareEngine
from tests.bench.figures import Figure, at_least, at_most, difference, ours_alone, ratio
from tests.bench.measured_site import MeasuredSite, cpu_seconds, measured_site
from tests.bench.page import chromium
from tests.bench.report import Section

LONG_PROMPT = "Show me everything"
SHORT_PROMPT = "Hello"

MAX_TOKENS = "600"
RATE_TARGET = at_least(0.97)
FIRST_TEXT_TARGET = at_most(30)
"""Milliseconds."""


def measure(folder: Path, rounds: int, say: Callable[[str], None]) -> list[Section]:
    say("Two engines start ")
    with chromium() as browser, sides(folder, browser.new_page()) as both:
        say("\nLong answers ")
        long = list(both.rounds(LONG_PROMPT, "high", rounds * 2, say))
        say("\nShort answers ")
        short = list(both.rounds(SHORT_PROMPT, "low", rounds * 6, say))
    return [
        Section("Real vLLM, demo model, long answers", rate_figures(long), long),
        Section("Real vLLM, demo model, short answers", first_text_figures(short), short),
    ]


@dataclass(frozen=True, slots=True)
class Run:
    """One answer on one side.

    Seconds to the first token count from the call of the engine, those to the first text from Enter
    in the page on our side. `received_per_second` is what the web process had from its engine.
    """

    tokens: int
    tokens_per_second: float
    first_token_seconds: float
    first_text_seconds: float
    cpu_seconds: float
    browser_cpu_seconds: float = 0.0
    received_per_second: float = 0.0

    @property
    def cpu_per_thousand(self) -> float:
        return self.cpu_seconds / self.tokens * 1000


@dataclass(frozen=True, slots=True)
class Round:
    bare: Run
    ours: Run
    is_bare_first: bool
    unseen_per_second: float
    load: float


@dataclass(frozen=True, slots=True)
class Sides:
    """Both engines are up; only one computes at a time."""

    site: MeasuredSite
    bare: BareEngine

    def rounds(self, prompt: str, effort: str, count: int, say: Callable[[str], None]) -> Iterator[Round]:
        """The first round of each side warms it up and is thrown away; then they take turns to go first."""
        prompt_ids = self.site.ask(prompt, effort).saved.prompt_ids
        self._run_bare(prompt_ids)
        for number in range(count):
            is_bare_first = bool(number % 2)
            first = self._run_bare(prompt_ids) if is_bare_first else None
            ours = self._run_site(prompt, effort)
            bare = first or self._run_bare(prompt_ids)
            unseen = self.site.ask_unseen(prompt, effort).tokens_per_second
            yield Round(bare, ours, is_bare_first, unseen, os.getloadavg()[0])
            say(".")

    def _run_bare(self, prompt_ids: list[int]) -> Run:
        before = cpu_seconds(self.bare.pid)
        timeline = self.bare.generate(prompt_ids)
        spent = cpu_seconds(self.bare.pid) - before
        return Run(
            tokens=len(timeline.token_ids),
            tokens_per_second=timeline.tokens_per_second,
            first_token_seconds=timeline.times[0],
            first_text_seconds=timeline.first_text_time,
            cpu_seconds=spent,
        )

    def _run_site(self, prompt: str, effort: str) -> Run:
        answer = self.site.ask(prompt, effort)
        return Run(
            tokens=len(answer.saved.token_ids),
            tokens_per_second=answer.tokens_per_second,
            first_token_seconds=answer.saved.first_token_seconds,
            first_text_seconds=answer.sighting.first_text_time - answer.sighting.pressed,
            cpu_seconds=answer.cpu_seconds,
            browser_cpu_seconds=answer.browser_cpu_seconds,
            received_per_second=answer.saved.tokens_per_second,
        )


@contextmanager
def sides(folder: Path, page: Page) -> Iterator[Sides]:
    settings = {"MODEL_NAME": "demo", "DEFAULT_MAX_TOKENS": MAX_TOKENS}
    with measured_site(folder / "site", page, **settings) as (site, measured):
        bare = BareEngine(site.environment | {"XDG_CACHE_HOME": str(folder / "bare")}, folder / "bare.log")
        try:
            bare.wait_ready()
            yield Sides(measured, bare)
        finally:
            bare.stop()


def rate_figures(rounds: list[Round]) -> list[Figure]:
    bare, ours = [each.bare for each in rounds], [each.ours for each in rounds]
    return [
        ratio(
            "Tokens/s at the browser beside the bare engine",
            [run.tokens_per_second for run in bare],
            [run.tokens_per_second for run in ours],
            "tok/s",
            RATE_TARGET,
        ),
        ratio(
            "Tokens/s of an answer that no browser draws beside the bare engine",
            [run.tokens_per_second for run in bare],
            [each.unseen_per_second for each in rounds],
            "tok/s",
            RATE_TARGET,
        ),
        ratio(
            "Tokens/s at the browser beside what its web process received",
            [run.received_per_second for run in ours],
            [run.tokens_per_second for run in ours],
            "tok/s",
        ),
        difference(
            "CPU of the web process per 1,000 tokens, vLLM's front end included",
            [run.cpu_per_thousand * 1000 for run in bare],
            [run.cpu_per_thousand * 1000 for run in ours],
            "ms",
        ),
        ours_alone(
            "CPU of the browser per 1,000 tokens, on the same cores",
            [run.browser_cpu_seconds / run.tokens * 1e6 for run in ours],
            "ms",
        ),
    ]


def first_text_figures(rounds: list[Round]) -> list[Figure]:
    return [
        difference(
            "Time to the first text: Enter to page beside the bare engine",
            [each.bare.first_text_seconds * 1000 for each in rounds],
            [each.ours.first_text_seconds * 1000 for each in rounds],
            "ms",
            FIRST_TEXT_TARGET,
        )
    ]
