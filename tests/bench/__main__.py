"""`python -m tests.bench`: measures and tells; a missed target is a figure like any other, not an error."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page

from tests.bench import machine
from tests.bench.api import api_figures, servers
from tests.bench.beside_engine import LONG_PROMPT, SHORT_PROMPT, first_text_figures, rate_figures, sides
from tests.bench.opening import opening_figures, openings
from tests.bench.paced import (
    CONVERSATIONS,
    PACES,
    SHORT_TOKENS,
    SHORT_TOKENS_PER_SECOND,
    pace_figures,
    paced_site,
    split_figures,
)
from tests.bench.page import chromium
from tests.bench.report import Report, Section

PARTS = ("engine", "paced", "opening", "api")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="rounds of the long answers (default 6)")
    parser.add_argument("--quick", action="store_true", help="two rounds and short paced answers: does it run?")
    parser.add_argument("--only", choices=PARTS, help="the real vLLM; known paces; long conversations; vLLM's server")
    parser.add_argument("--json", type=Path, help="where the raw results go (default: a temporary file)")
    return parser.parse_args()


def say(text: str = "") -> None:
    """Progress goes to stderr; a round is a dot."""
    sys.stderr.write(text or ".")
    sys.stderr.flush()


def measure_engine(folder: Path, page: Page, rounds: int) -> list[Section]:
    say("Two engines start ")
    with sides(folder, page) as both:
        say("\nLong answers ")
        long = list(both.rounds(LONG_PROMPT, "high", rounds, say))
        say("\nShort answers ")
        short = list(both.rounds(SHORT_PROMPT, "low", rounds * 3, say))
    say("\n")
    return [
        Section("Real vLLM, demo model, long answers", rate_figures(long), long),
        Section("Real vLLM, demo model, short answers", first_text_figures(short), short),
    ]


def measure_paced(folder: Path, page: Page, rounds: int, tokens: int) -> list[Section]:
    with paced_site(folder, page) as site:
        first = site.run(SHORT_TOKENS, SHORT_TOKENS_PER_SECOND)
        say("Short answers of known pace ")
        short = list(site.runs(SHORT_TOKENS, [SHORT_TOKENS_PER_SECOND], rounds * 3, say))
        say("\nLong answers of known pace ")
        long = list(site.runs(tokens, PACES, max(1, rounds // 2), say))
        say("\nShort answers beside a long list of conversations ")
        site.site.add_conversations(CONVERSATIONS)
        crowded = list(site.runs(SHORT_TOKENS, [SHORT_TOKENS_PER_SECOND], rounds, say))
    say("\n")
    return [
        Section(
            "Engine of known pace, time to the first text",
            split_figures(first, short, crowded),
            [first, *short, *crowded],
        ),
        Section(f"Engine of known pace, {tokens:,} tokens", pace_figures(long), long),
    ]


def measure_opening(folder: Path, page: Page, rounds: int) -> list[Section]:
    say("Conversations open ")
    with openings(folder / "opening-site", page) as site:
        runs = list(site.rounds(rounds * 3, say))
    say("\n")
    return [Section("Opening a conversation", opening_figures(runs), runs)]


def measure_in_browser(folder: Path, part: str | None, rounds: int, *, is_quick: bool) -> tuple[list[Section], str]:
    """Return Chromium's version, too."""
    sections: list[Section] = []
    with chromium() as (page, version):
        if part in (None, "engine"):
            sections += measure_engine(folder, page, rounds)
        if part in (None, "paced"):
            sections += measure_paced(folder, page, rounds, 200 if is_quick else 1000)
        if part in (None, "opening"):
            sections += measure_opening(folder, page, rounds)
    return sections, version


def measure_api(folder: Path, rounds: int) -> list[Section]:
    say("Two servers start ")
    with servers(folder / "api-site") as both:
        say("\nAnswers for programs ")
        runs = list(both.rounds(rounds * 2, say))
    say("\n")
    return [Section("The API beside vLLM's own OpenAI server, demo model", api_figures(runs), runs)]


def main() -> None:
    chosen = options()
    rounds = 2 if chosen.quick else chosen.rounds
    path = chosen.json or Path(tempfile.gettempdir()) / f"localai-bench-{time.strftime('%Y%m%d-%H%M%S')}.json"
    report = Report({"started": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "busy_before": machine.busy(), "rounds": rounds})
    browser_version = "not used"
    with tempfile.TemporaryDirectory() as folder:
        if chosen.only != "api":
            report.sections, browser_version = measure_in_browser(
                Path(folder), chosen.only, rounds, is_quick=chosen.quick
            )
        if chosen.only in (None, "api"):
            report.sections += measure_api(Path(folder), rounds)
    report.facts |= {"machine": machine.describe(browser_version), "busy_after": machine.busy()}
    report.write(path)
    sys.stdout.write(f"{report.table()}\nRaw results: {path}\n")


if __name__ == "__main__":
    main()
