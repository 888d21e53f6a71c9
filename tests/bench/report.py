"""What a run of the benchmark leaves: a table to read, JSON to keep, and plots of cost against size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.plots import Plot

HEAD = ("what: median (lowest … highest)", "floor", "ours", "ratio or difference", "target", "met", "Open WebUI")


@dataclass
class Section:
    """Lines of the table, and the rounds they were made from. `plot` becomes a file named after it."""

    title: str
    figures: list[Figure]
    rounds: Sequence[object]
    plot: Plot | None = None


def write_json(path: Path, facts: Mapping[str, object], sections: Iterable[Section]) -> None:
    content = {**facts, "sections": [asdict(section) for section in sections]}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_plots(folder: Path, sections: Iterable[Section]) -> None:
    for section in sections:
        if section.plot:
            (folder / f"{section.plot.name}.svg").write_text(section.plot.svg(), encoding="utf-8")


def table(sections: Iterable[Section]) -> str:
    rows: list[tuple[str, ...]] = [HEAD]
    for section in sections:
        rows.append((section.title, *[""] * (len(HEAD) - 1)))
        rows += [_row(figure) for figure in section.figures]
    # A section's title may run on over the columns.
    widths = [max(len(row[column]) for row in rows if any(row[1:])) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _row(figure: Figure) -> tuple[str, ...]:
    met = {True: "yes", False: "no", None: ""}[figure.is_met]
    cells = (figure.floor, figure.ours, figure.result, figure.target)
    return (f"  {figure.what}", *["" if cell is None else str(cell) for cell in cells], met, figure.peer)
