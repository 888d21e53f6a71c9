"""The corpus: text files with one wording a line, under headings such as `== greeting`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_HEADING = "== "


@cache
def sections(name: str) -> dict[str, tuple[str, ...]]:
    """heading → wordings of the file `name`.txt; what stands before the first heading is a description."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (Path(__file__).parent / f"{name}.txt").read_text().splitlines():
        if line.startswith(_HEADING):
            lines = found.setdefault(line.removeprefix(_HEADING), [])
        elif line:
            lines.append(line)
    return {heading: tuple(each) for heading, each in found.items()}
