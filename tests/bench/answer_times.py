"""How long the server takes to answer plain requests: the page beside a long list of conversations, and the search."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import httpx

from tests.bench.bare_daphne import BareDaphne
from tests.bench.figures import Figure, at_most, beside, ratio
from tests.bench.measured_site import cpu_seconds
from tests.bench.visitor import Visitor

FEW, MANY = 10, 10_000
MESSAGES_OF_EACH = 10
REQUESTS = 10
SEARCH_TARGET = at_most(50)
LIST_TARGET = at_most(1.5)
"""A longer list may cost no more than a longer conversation."""
HITS = 30


@dataclass(frozen=True, slots=True)
class Search:
    """`found` is how many results the page says there are."""

    kind: str
    query: str
    found: int


SEARCHES = [
    Search("rare word", "zyzzyva", 4),
    Search("common word", "people", HITS),
    Search("beginning of a common word", "pe", HITS),
    Search("two common words", "people lo", HITS),
    Search("phrase", '"quick brown fox"', HITS),
    Search("nothing to be found", "nowhereinhere", 0),
    Search("Chinese", "東京は", HITS),
]


@dataclass(frozen=True, slots=True)
class Answered:
    """Some requests of one kind: the median of their milliseconds, and the web process's CPU for each."""

    kind: str
    milliseconds: float
    cpu_milliseconds: float
    bare_milliseconds: float


@dataclass(frozen=True, slots=True)
class Asker:
    """`bare` answers the same connection's requests with next to nothing."""

    visitor: Visitor
    pid: int
    bare: BareDaphne

    def ask(self, kind: str, path: str, **headers: str) -> Answered:
        self.visitor.get(path, **headers)  # what only a first one does is another figure
        before = cpu_seconds(self.pid)
        times = [self._milliseconds(path, headers) for _ in range(REQUESTS)]
        spent = (cpu_seconds(self.pid) - before) / REQUESTS * 1000
        return Answered(kind, median(times), spent, self._bare_milliseconds())

    def search(self, search: Search) -> Answered:
        path = str(httpx.URL("/search/", params={"q": search.query}))
        shown = self.visitor.get(path, **HTMX).text.count('<li class="hit"')
        if shown != search.found:
            raise RuntimeError(f"{search.query} is found {shown} times, not {search.found}.")
        return self.ask(search.kind, path, **HTMX)

    def _milliseconds(self, path: str, headers: dict[str, str]) -> float:
        began = time.perf_counter()
        self.visitor.get(path, **headers)
        return (time.perf_counter() - began) * 1000

    def _bare_milliseconds(self) -> float:
        with httpx.Client(trust_env=False) as client:
            times = []
            for _ in range(REQUESTS + 1):
                began = time.perf_counter()
                client.get(self.bare.url)
                times.append((time.perf_counter() - began) * 1000)
        return median(times[1:])


HTMX = {"HX-Request": "true"}


def searches(asker: Asker, rounds: int) -> Iterator[Answered]:
    for _ in range(rounds):
        for search in SEARCHES:
            yield asker.search(search)


def search_figures(runs: Sequence[Answered]) -> list[Figure]:
    figures = []
    for search in SEARCHES:
        of_kind = [run for run in runs if run.kind == search.kind]
        bare, ours = [run.bare_milliseconds for run in of_kind], [run.milliseconds for run in of_kind]
        figures.append(beside(f"Search: {search.kind}", bare, ours, "ms", SEARCH_TARGET))
    return figures


def list_figures(few: Sequence[Answered], many: Sequence[Answered]) -> list[Figure]:
    what = f"{MANY:,} conversations beside {FEW}"
    few_times, many_times = ([run.milliseconds for run in side] for side in (few, many))
    few_costs, many_costs = ([run.cpu_milliseconds for run in side] for side in (few, many))
    bare = [run.bare_milliseconds for run in few]
    return [
        ratio(f"Server's time for an empty conversation: {what}", few_times, many_times, "ms", LIST_TARGET),
        ratio(f"Its CPU: {what}", few_costs, many_costs, "ms"),
        beside(f"The same with {FEW}, beside the server's empty answer", bare, few_times, "ms"),
    ]
