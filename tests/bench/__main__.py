"""`python -m tests.bench`: measures and tells; a missed target is a figure like any other, not an error."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from tests.bench import machine
from tests.bench.report import Section, table, write_json, write_plots

PARTS = {
    "stream": "tests.bench.stream",
    "engine": "tests.bench.beside_engine",
    "api": "tests.bench.api",
    "pages": "tests.bench.pages",
    "watchers": "tests.bench.watchers",
    "start": "tests.bench.start",
    "idle": "tests.bench.idle",
}
KEPT = Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks"


class Part(Protocol):
    """Writes what it needs into `folder`, and tells of its progress by `say`: a few words, or a dot a round."""

    def measure(self, folder: Path, rounds: int, say: Callable[[str], None]) -> list[Section]: ...


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; several times for several")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each part (default 3)")
    parser.add_argument("--quick", action="store_true", help="one round: does it run?")
    parser.add_argument("--json", type=Path, help="where the raw results go (default: a temporary file)")
    parser.add_argument("--keep", action="store_true", help="write each part's results and plots to docs/benchmarks/")
    return parser.parse_args()


def say(text: str) -> None:
    """Progress goes to stderr."""
    sys.stderr.write(text)
    sys.stderr.flush()


def measure(name: str, rounds: int) -> tuple[dict[str, object], list[Section]]:
    """Return the circumstances of the part, and what it found; only a part that was chosen is loaded."""
    part = cast(Part, import_module(PARTS[name]))
    facts: dict[str, object] = {"started": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "rounds": rounds}
    facts |= {"machine": machine.describe(), "busy_before": machine.busy()}
    with tempfile.TemporaryDirectory() as folder:
        sections = part.measure(Path(folder), rounds, say)
    say("\n")
    return facts | {"busy_after": machine.busy()}, sections


def main() -> None:
    chosen = options()
    rounds = 1 if chosen.quick else chosen.rounds
    path = chosen.json or Path(tempfile.gettempdir()) / f"localai-bench-{time.strftime('%Y%m%d-%H%M%S')}.json"
    facts: dict[str, object] = {}
    sections: list[Section] = []
    for name in dict.fromkeys(chosen.only or PARTS):
        circumstances, found = measure(name, rounds)
        facts[name] = circumstances
        sections += found
        write_json(path, facts, sections)
        if chosen.keep:
            write_json(KEPT / f"{name}.json", circumstances, found)
            write_plots(KEPT, found)
    sys.stdout.write(f"{table(sections)}\nRaw results: {path}\n")


if __name__ == "__main__":
    main()
