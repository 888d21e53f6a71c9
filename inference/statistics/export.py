"""A selection as CSV: one line for each day, person and source, ready for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from io import StringIO

from django.contrib.auth import get_user_model
from django.db.models import Count, Q, Sum

from inference.models import RefusalReason
from inference.request import CUT_OFF, Outcome
from inference.statistics.counts import SUMS
from inference.statistics.period import Period
from inference.statistics.selection import Selection

KEY = ["day", "user", "source"]
OUTCOMES = [*(str(outcome) for outcome in Outcome), CUT_OFF]
HEADER: list[object] = [*KEY, *SUMS, *OUTCOMES, *(f"refused_{reason.value}" for reason in RefusalReason)]

Figures = dict[str, object]


def pieces(selection: Selection) -> Iterator[str]:
    """The heading, then day by day. People's numbers, and no text of theirs."""
    yield _csv([HEADER])
    for day in selection.period.days:
        yield _csv(_lines(day, replace(selection, period=Period.containing(day, "day"))))


def _lines(day: date, selection: Selection) -> list[list[object]]:
    rows = _rows(selection)
    names = get_user_model().objects.in_bulk({user for user, _ in rows if user is not None})
    return [
        [
            day.isoformat(),
            harmless(names[user].get_username()) if user in names else "",
            source,
            *(row.get(str(column), 0) for column in HEADER[len(KEY) :]),
        ]
        for (user, source), row in sorted(rows.items(), key=lambda each: (each[0][0] or 0, each[0][1]))
    ]


def _csv(rows: list[list[object]]) -> str:
    file = StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()


def harmless(cell: str) -> str:
    """A spreadsheet takes what begins so for a formula, which may send what it finds elsewhere."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _rows(selection: Selection) -> dict[tuple[int | None, str], Figures]:
    """By person and source."""
    outcomes = {outcome: Count("pk", filter=Q(outcome=outcome)) for outcome in OUTCOMES}
    rows: dict[tuple[int | None, str], Figures] = {}
    for found in selection.records.values("user", "source").order_by().annotate(**SUMS, **outcomes):
        rows[found["user"], found["source"]] = _figures(found)
    for found in selection.refusals.values("user", "source", "reason").order_by().annotate(refused=Sum("count")):
        rows.setdefault((found["user"], found["source"]), {})[f"refused_{found['reason']}"] = found["refused"]
    return rows


def _figures(found: Mapping[str, object]) -> Figures:
    return {column: found[column] for column in (*SUMS, *OUTCOMES)}
