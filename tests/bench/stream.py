"""Part `stream`: whole answers through the real page, on an engine of known pace, beside the bare page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.paced_sides import Case, Pair, Sides, sides
from tests.bench.page import chromium
from tests.bench.report import Section
from tests.bench.stream_figures import (
    CONVERSATIONS,
    FAST,
    added_figures,
    case_figures,
    length_figures,
    length_plot,
    split_figures,
)

SHORT = Case(20, 100)
CASES = [Case(1000, 50), Case(1000, 250), FAST, Case(4000, 1000, is_markdown=False), Case(4000, None)]
LENGTHS = [Case(500, 1000), Case(1000, 1000), Case(2000, 1000), Case(8000, 1000)]
"""Beside that of FAST."""

Say = Callable[[str], None]


def measure(folder: Path, rounds: int, say: Say) -> list[Section]:
    with chromium() as browser, sides(folder, browser) as both:
        say("First texts ")
        sections = [measure_first_texts(both, rounds, say)]
        say("\nWhole answers ")
        return sections + measure_answers(both, rounds, say)


def measure_first_texts(both: Sides, rounds: int, say: Say) -> Section:
    """Of a server that has just started, of one that runs, and of a person with many conversations."""
    after_start = []
    for _ in range(rounds):
        both.site.restart()
        after_start.append(both.run_site(SHORT))
        say(".")
    pairs = list(both.pairs([SHORT], rounds * 3, say))
    both.site.add_conversations(CONVERSATIONS)
    crowded = list(both.pairs([SHORT], rounds * 2, say))
    figures = split_figures(pairs) + added_figures(after_start, crowded)
    return Section("Streaming, time to the first text", figures, [*after_start, *pairs, *crowded])


def measure_answers(both: Sides, rounds: int, say: Say) -> list[Section]:
    pairs = list(both.pairs([*CASES, *LENGTHS], rounds, say))

    def of(cases: Sequence[Case]) -> list[Pair]:
        return [pair for pair in pairs if pair.case in cases]

    sections = [Section(f"Streaming, {case}", case_figures(case, of([case])), of([case])) for case in CASES]
    by_length = of([FAST, *LENGTHS])
    title = "Streaming Markdown at 1,000 tok/s, cost by the answer's length"
    return [*sections, Section(title, length_figures(by_length), of(LENGTHS), length_plot(by_length))]
