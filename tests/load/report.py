"""What a run says: a few lines for people."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from tests.load.mix import PAGE
from tests.load.parts import Use
from tests.load.talk import Talk
from tests.load.traffic import Records

TIMES_IDLE = 10
SERVED_SHARE = 0.95
ERRORS_SHOWN = 10


def percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


@dataclass(frozen=True, slots=True)
class Run:
    rate: float
    idle: Sequence[float]
    records: Records
    talk: Talk
    use: Use
    lost_sockets: int

    @property
    def page_limit(self) -> float:
        return TIMES_IDLE * median(self.idle)

    @property
    def is_kept_up(self) -> bool:
        pages = self.records.milliseconds.get(PAGE, [])
        return self.served_rate >= SERVED_SHARE * self.rate and bool(pages) and percentile(pages, 95) <= self.page_limit

    @property
    def served_rate(self) -> float:
        return self.records.served / self.records.seconds

    @property
    def is_whole(self) -> bool:
        return not (self.records.errors or self.lost_sockets or self.talk.wrong)

    def lines(self) -> Iterator[str]:
        records = self.records
        yield f"offered {self.rate:.0f} requests/s, served {self.served_rate:.1f}/s; {records.left_out} left out"
        yield "| kind | requests | p50 ms | p95 ms | p99 ms | most |"
        yield "|---|---:|---:|---:|---:|---:|"
        for kind, values in sorted(records.milliseconds.items(), key=lambda item: -len(item[1])):
            figures = [median(values), percentile(values, 95), percentile(values, 99), max(values)]
            yield f"| {kind} | {len(values)} | " + " | ".join(f"{figure:.0f}" for figure in figures) + " |"
        yield f"a page at rest: p50 {median(self.idle):.1f} ms, so p95 may be {self.page_limit:.0f} ms"
        yield f"errors: {sum(records.errors.values())}; sockets lost: {self.lost_sockets}"
        for error, count in records.errors.most_common(ERRORS_SHOWN):
            yield f"  {count} x {error}"
        yield from self._talk_lines()
        parts = ", ".join(f"{name} {cores:.2f}" for name, cores in sorted(self.use.parts.items()))
        yield f"cores: {parts}; others {self.use.others:.2f} of {self.use.cores}"
        yield f"full: {self.use.full}; load average {os.getloadavg()[0]:.1f}"
        yield f"kept up: {'yes' if self.is_kept_up else 'no'}; whole: {'yes' if self.is_whole else 'NO'}"

    def _talk_lines(self) -> Iterator[str]:
        firsts = self.talk.first_text_seconds
        first = f"; first text after {median(firsts):.2f} s, at most {max(firsts):.2f} s" if firsts else ""
        yield f"answers: {self.talk.answers}, not as written: {len(self.talk.wrong)}{first}"
        for wrong in self.talk.wrong[:ERRORS_SHOWN]:
            yield f"  {wrong}"
