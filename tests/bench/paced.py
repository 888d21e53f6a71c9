"""The site on a server of known pace: where the time goes, and whether it keeps up with fast engines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tests.bench.figures import DELIVERY_TARGET, FIRST_TEXT_TARGET, Figure, Target, ours_alone, ratio
from tests.bench.measured_site import Answer, MeasuredSite, measured_site
from tests.bench.paced_server import PacedServer, answer_of

MAX_TOKENS = 5000
PACES = [50.0, 250.0, 1000.0]
FAST = 1000.0
FAST_TIMES = 4
"""So many times longer are the answers of the fastest pace, or the ends of a second would weigh too much."""
SHORT_TOKENS = 20
SHORT_TOKENS_PER_SECOND = 100.0
CONVERSATIONS = 200


@dataclass(frozen=True, slots=True)
class PacedRun:
    """One answer, as sent and as shown."""

    pace: float
    tokens: int
    sent_per_second: float
    shown_per_second: float
    to_engine_seconds: float
    first_text_seconds: float
    last_text_seconds: float
    settled_seconds: float
    cpu_seconds: float
    browser_cpu_seconds: float
    load: float

    @classmethod
    def of(cls, pace: float, server: PacedServer, answer: Answer) -> PacedRun:
        sent, seen = server.timeline, answer.sighting
        return cls(
            pace=pace,
            tokens=len(answer.saved.token_ids),
            sent_per_second=sent.tokens_per_second,
            shown_per_second=answer.tokens_per_second,
            to_engine_seconds=server.request_time - seen.pressed,
            first_text_seconds=seen.first_text_time - sent.first_text_time,
            last_text_seconds=seen.last_text_time - sent.last_text_time,
            settled_seconds=seen.settled - sent.times[-1],
            cpu_seconds=answer.cpu_seconds,
            browser_cpu_seconds=answer.browser_cpu_seconds,
            load=os.getloadavg()[0],
        )

    @property
    def added_seconds(self) -> float:
        return self.to_engine_seconds + self.first_text_seconds


@dataclass(frozen=True, slots=True)
class PacedSite:
    site: MeasuredSite
    server: PacedServer

    def run(self, tokens: int, tokens_per_second: float) -> PacedRun:
        token_ids = answer_of(tokens)
        self.server.script(token_ids, tokens_per_second)
        answer = self.site.ask("Go on for a while")
        if answer.saved.token_ids != token_ids:
            raise RuntimeError("What was saved is not what the engine sent.")
        return PacedRun.of(tokens_per_second, self.server, answer)

    def runs(self, tokens: int, paces: list[float], count: int, on_round: Callable[[], None]) -> Iterator[PacedRun]:
        """`count` rounds of all paces."""
        for _ in range(count):
            for pace in paces:
                yield self.run(tokens * FAST_TIMES if pace == FAST else tokens, pace)
                on_round()


@contextmanager
def paced_site(folder: Path, page: Page) -> Iterator[PacedSite]:
    server = PacedServer()
    server.start()
    settings = {
        "ENGINE": "vllm-server",
        "VLLM_SERVER_URL": server.url,
        "MODEL_NAME": "scripted",
        "DEFAULT_MAX_TOKENS": str(MAX_TOKENS),
    }
    try:
        with measured_site(folder / "paced-site", page, **settings) as (_, measured):
            yield PacedSite(measured, server)
    finally:
        server.stop()


def split_figures(first: PacedRun, runs: list[PacedRun], crowded: list[PacedRun]) -> list[Figure]:
    """`first` answers a fresh server's first prompt, `crowded` are those of a person with many conversations."""

    def milliseconds(what: str, values: list[float], target: Target | None = None) -> Figure:
        return ours_alone(what, [value * 1000 for value in values], "ms", target)

    return [
        milliseconds("Enter to the request at the engine", [run.to_engine_seconds for run in runs]),
        milliseconds("First text at the engine to the page", [run.first_text_seconds for run in runs]),
        milliseconds("Both: the added time", [run.added_seconds for run in runs], FIRST_TEXT_TARGET),
        milliseconds("Both, for the first prompt after a start", [first.added_seconds]),
        milliseconds(f"Both, with {CONVERSATIONS} conversations in the list", [run.added_seconds for run in crowded]),
    ]


def pace_figures(runs: list[PacedRun]) -> list[Figure]:
    figures = []
    for pace in dict.fromkeys(run.pace for run in runs):
        these = [run for run in runs if run.pace == pace]
        engine = f"{pace:,.0f} tok/s"
        figures += [
            ratio(
                f"{engine}: shown beside sent",
                [run.sent_per_second for run in these],
                [run.shown_per_second for run in these],
                "tok/s",
                DELIVERY_TARGET if pace == FAST else None,
            ),
            ours_alone(
                f"{engine}: last text sent to complete text on the page",
                [run.last_text_seconds * 1000 for run in these],
                "ms",
            ),
            ours_alone(
                f"{engine}: CPU of the web process per 1,000 tokens",
                [run.cpu_seconds / run.tokens * 1e6 for run in these],
                "ms",
            ),
            ours_alone(
                f"{engine}: CPU of the browser per 1,000 tokens",
                [run.browser_cpu_seconds / run.tokens * 1e6 for run in these],
                "ms",
            ),
        ]
    return figures
