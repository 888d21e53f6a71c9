"""How long a conversation takes to open, by its length: from the navigation until its last answer is to be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from playwright.sync_api import Page

from tests.bench.figures import Figure, at_most, ratio
from tests.bench.plots import Line, Plot

LENGTHS = (20, 200, 1000, 5000)
SHORT, LONG = 20, 1000
TARGET = at_most(1.5)


@dataclass(frozen=True, slots=True)
class Opening:
    """Milliseconds: the server's for the page, and from the navigation's begin until its end is to be seen."""

    messages: int
    served_milliseconds: float
    shown_milliseconds: float


def opening(page: Page, address: str, messages: int) -> Opening:
    page.goto(address)
    shown = page.evaluate("opening.shown")
    served = page.evaluate(
        "(([entry]) => entry.responseEnd - entry.requestStart)(performance.getEntriesByType('navigation'))"
    )
    answer = page.locator("#messages > article [data-part=answer]").last.inner_text()
    if not answer.rstrip().endswith(f" {messages // 2 - 1}"):
        raise RuntimeError("The last answer is not on the page.")
    return Opening(messages, served, shown)


def openings(page: Page, addresses: Mapping[int, str], rounds: int) -> Iterator[Opening]:
    """All lengths in turn, upwards and downwards."""
    for number in range(rounds):
        for messages in LENGTHS if number % 2 else reversed(LENGTHS):
            yield opening(page, addresses[messages], messages)


def opening_figures(runs: Sequence[Opening]) -> list[Figure]:
    def beside(messages: int, name: str, what: str) -> Figure:
        short, long = (_values(runs, length, name) for length in (SHORT, messages))
        target = TARGET if messages == LONG else None
        return ratio(f"{what}: {messages:,} messages beside {SHORT}", short, long, "ms", target)

    longer = [length for length in LENGTHS if length != SHORT]
    shown = [beside(length, "shown_milliseconds", "Last answer to be seen") for length in longer]
    return shown + [beside(length, "served_milliseconds", "Server's time") for length in longer]


def opening_plot(runs: Sequence[Opening]) -> Plot:
    def line(title: str, name: str) -> Line:
        return Line(title, [(float(length), median(_values(runs, length, name))) for length in LENGTHS])

    lines = [line("last answer to be seen", "shown_milliseconds"), line("server's time", "served_milliseconds")]
    return Plot("pages", "Opening a conversation", "messages", "milliseconds", lines)


def _values(runs: Sequence[Opening], messages: int, name: str) -> list[float]:
    return [float(getattr(run, name)) for run in runs if run.messages == messages]
