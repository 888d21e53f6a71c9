"""`python -m tests.chaos`: so many faults over seeds.

Ends with 1 where a promise was broken, and tells how to see it again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.house import KINDS
from tests.chaos.run import Report, run


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from the first on (default 1)")
    parser.add_argument("--faults", type=int, default=10, help="with each seed (default 10)")
    parser.add_argument(
        "--house",
        choices=KINDS,
        default="small",
        help="small: one process, SQLite; shared: two, PostgreSQL, Redis; vllm: as small, with the real vLLM",
    )
    parser.add_argument("--keep", type=Path, help="where the servers' logs go")
    return parser.parse_args()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    chosen = options()
    reports = [tried(seed, chosen) for seed in range(chosen.seed, chosen.seed + chosen.seeds)]
    say("")
    for title, name in (("faults", "faults"), ("outcomes", "outcomes"), ("people saw", "seen"), ("logged", "errors")):
        counts = sum((getattr(report, name) for report in reports), Counter[str]())
        say(f"{title}: " + ", ".join(f"{what} {count}" for what, count in counts.most_common()))
    failed = [report.seed for report in reports if report.broken]
    say(f"{sum(sum(report.faults.values()) for report in reports)} faults, broken promises with {len(failed)} seeds")
    sys.exit(1 if failed else 0)


def tried(seed: int, chosen: argparse.Namespace) -> Report:
    say(f"seed {seed}, {chosen.house}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "house"
        report = run(seed, chosen.faults, chosen.house, folder, say, chosen.keep)
    say(f"  {time.monotonic() - started:.0f} s; {len(report.broken)} broken promises")
    for promise in report.broken[:20]:
        say(f"  BROKEN: {promise}")
    if report.broken:
        say(f"  again: python -m tests.chaos --house {chosen.house} --seed {seed} --faults {chosen.faults}")
    return report


if __name__ == "__main__":
    main()
