"""What a run of the benchmark leaves: a table to read and JSON to keep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.bench.figures import Figure

HEAD = ("what: median (lowest … highest)", "bare", "ours", "ratio or difference", "target", "met")


@dataclass
class Section:
    """One part: its lines of the table, and the rounds they were made from."""

    title: str
    figures: list[Figure]
    rounds: Sequence[object]


@dataclass
class Report:
    facts: dict[str, object] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)

    def write(self, path: Path) -> None:
        content = {**self.facts, "sections": [asdict(section) for section in self.sections]}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def table(self) -> str:
        rows: list[tuple[str, ...]] = [HEAD]
        for section in self.sections:
            rows.append((section.title, *[""] * (len(HEAD) - 1)))
            rows += [_row(figure) for figure in section.figures]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join(line.rstrip() for line in lines) + "\n"


def _row(figure: Figure) -> tuple[str, ...]:
    met = {True: "yes", False: "no", None: ""}[figure.is_met]
    cells = (figure.bare, figure.ours, figure.result, figure.target)
    return (f"  {figure.what}", *["" if cell is None else str(cell) for cell in cells], met)
