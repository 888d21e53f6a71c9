"""docs/access.md as data: its tables are read here, and nowhere written a second time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "access.md"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: what it is about, and column → word. `case` is what stands behind the name."""

    name: str
    case: str
    detail: str
    """The second column: methods, an action."""
    words: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.detail} {self.name}{', ' + self.case if self.case else ''}"


def rows(heading: str) -> list[Row]:
    """Of the table below a heading; braces in a name stand for several lines."""
    section = DOCUMENT.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [_cells(line) for line in section.splitlines() if line.startswith("|")]
    assert len(lines) > 2, f"{DOCUMENT.name} has no table below “{heading}”."
    columns = lines[0]
    return [row for cells in lines[2:] for row in _rows(columns, cells)]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _rows(columns: list[str], cells: list[str]) -> Iterator[Row]:
    assert len(cells) == len(columns), f"{DOCUMENT.name} has a line with too many or too few cells: {cells}"
    _, name, case = cells[0].split("`", 2)
    for each in _expanded(name):
        yield Row(each, case.lstrip(", "), cells[1].strip("`"), dict(zip(columns[2:], cells[2:], strict=True)))


def _expanded(text: str) -> Iterator[str]:
    """As a shell does: a{b,c} is ab and ac."""
    braces = re.search(r"\{([^{}]*)\}", text)
    if braces is None:
        yield text
        return
    for choice in braces[1].split(","):
        yield from _expanded(text[: braces.start()] + choice + text[braces.end() :])
