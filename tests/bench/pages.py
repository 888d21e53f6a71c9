"""Part `pages`: what a page weighs, and what conversations, lists and searches cost as they grow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, StorageState

from tests.bench.answer_times import (
    FEW,
    MANY,
    MESSAGES_OF_EACH,
    Answered,
    Asker,
    list_figures,
    search_figures,
    searches,
)
from tests.bench.bare_daphne import BareDaphne
from tests.bench.figures import Figure, Target, at_most, beside
from tests.bench.filled_site import filled_site
from tests.bench.opening import LENGTHS, LONG, Opening, opening_figures, opening_plot, openings
from tests.bench.page import WatchedPage, chromium
from tests.bench.report import Section
from tests.bench.visitor import Visitor
from tests.bench.weight import Weight, cold_page, weigh
from tests.site_process import SiteProcess

KILOBYTES_TARGET = at_most(100)
REQUESTS_TARGET = at_most(10)
OPENINGS = 3
"""In each round."""

Say = Callable[[str], None]


def measure(folder: Path, rounds: int, say: Say) -> list[Section]:
    say("A site is filled ")
    long = [f"conversation({length})" for length in LENGTHS]
    lists = [f"history('ann', {FEW - len(LENGTHS)})", f"history('bob', {MANY})"]
    with filled_site(folder / "site", *long, *lists) as (site, results), chromium() as browser, BareDaphne() as bare:
        addresses = {length: f"{site.url}/c/{key}/" for length, key in zip(LENGTHS, results, strict=False)}
        sections = measure_in_browser(browser, site, bare, addresses, rounds, say)
        return [*sections, *measure_answer_times(site, bare, rounds, say)]


def measure_in_browser(
    browser: Browser, site: SiteProcess, bare: BareDaphne, addresses: dict[int, str], rounds: int, say: Say
) -> list[Section]:
    visit = log_in(browser, site)
    say("\nA cold page ")
    cold = []
    for number in range(rounds):
        sides = {"ours": addresses[LONG], "bare": bare.url}
        weights = {side: weigh(browser, visit, sides[side]) for side in sorted(sides, reverse=bool(number % 2))}
        cold.append(Cold(**weights))
        say(".")
    say("\nOpening conversations ")
    with cold_page(browser, visit) as page:
        list(openings(page, addresses, 1))  # what a browser keeps is in its cache from here on
        runs: list[Opening] = []
        for _ in range(rounds):
            runs += openings(page, addresses, OPENINGS)
            say(".")
    return [
        Section("A conversation's page in a browser that has nothing of it", cold_figures(cold), cold),
        Section("Opening a conversation", opening_figures(runs), runs, opening_plot(runs)),
    ]


@dataclass(frozen=True, slots=True)
class Cold:
    bare: Weight
    ours: Weight


def log_in(browser: Browser, site: SiteProcess) -> StorageState:
    context = browser.new_context()
    WatchedPage(context.new_page(), site)
    visit = context.storage_state()
    context.close()
    return visit


def cold_figures(rounds: list[Cold]) -> list[Figure]:
    def figure(what: str, name: str, unit: str, target: Target | None = None, peer: str = "") -> Figure:
        scale = 1000 if unit == "kB" else 1
        bare = [getattr(cold.bare, name) / scale for cold in rounds]
        ours = [getattr(cold.ours, name) / scale for cold in rounds]
        return beside(what, bare, ours, unit, target, peer)

    return [
        figure("On the wire, headers and socket included", "wire_bytes", "kB", KILOBYTES_TARGET, "2,729 kB"),
        figure("Requests, the socket included", "requests", "requests", REQUESTS_TARGET, "233"),
        figure("Scripts on the wire", "script_bytes", "kB", KILOBYTES_TARGET, "2,183 kB"),
        figure("Scripts as they are run", "script_raw_bytes", "kB", None, "6,992 kB"),
        figure("Navigation until the composer can be used", "interactive_milliseconds", "ms", None, "3,800 ms"),
    ]


def measure_answer_times(site: SiteProcess, bare: BareDaphne, rounds: int, say: Say) -> list[Section]:
    """Ann has few conversations, bob has many."""
    assert site.process is not None
    few, many = (Asker(Visitor(site, name), site.process.pid, bare) for name in ("ann", "bob"))
    say("\nLists of conversations ")
    empty = {"few": few.visitor.new_conversation(), "many": many.visitor.new_conversation()}
    lists: dict[str, list[Answered]] = {"few": [], "many": []}
    for _ in range(rounds):
        lists["few"].append(few.ask("few", empty["few"]))
        lists["many"].append(many.ask("many", empty["many"]))
        say(".")
    say("\nSearches ")
    found = list(searches(many, rounds))
    messages = MANY * MESSAGES_OF_EACH
    return [
        Section(f"Lists of {FEW} and of {MANY:,} conversations", list_figures(**lists), [*lists.values()]),
        Section(f"Search in {messages:,} messages, server's time", search_figures(found), found),
    ]
