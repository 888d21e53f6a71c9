"""Plots as shapes: where bars, lines and labels lie. The template draws them; colours are classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Literal

from django.utils.formats import number_format

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Text

WIDTH, HEIGHT = 480, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 472, 12, 182
GRID_LINES = 4

Shown = Callable[[float | None], str]


@dataclass(frozen=True, slots=True)
class Series:
    """One value for each bucket; None where there is nothing to tell."""

    name: Text
    colour: str
    """Ends the class: `series-<colour>`."""
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Shape:
    """Numbers as SVG wants them, whatever the reader's language."""

    colour: str
    x: str = ""
    y: str = ""
    height: str = ""
    points: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """The bucket's place, with what the pointer is told there."""

    x: str
    middle: str
    label: str
    told: str
    bars: list[Shape]


@dataclass(frozen=True, slots=True)
class Plot:
    key: str
    title: Text
    description: Text
    kind: Literal["bars", "lines"]
    names: Sequence[str]
    """Of the buckets, in full."""
    labels: Sequence[str]
    """Of the buckets, below the axis; some are empty."""
    series: Sequence[Series]
    shown: Shown
    """A value as people read it."""
    bucket_heading: Text = ""

    width, height, left, right, bottom = WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM

    @property
    def is_empty(self) -> bool:
        return not any(value for series in self.series for value in series.values)

    @property
    def bar_width(self) -> str:
        return _number(self._step * 0.8)

    @property
    def column_width(self) -> str:
        return _number(self._step)

    @property
    def grid(self) -> list[tuple[str, str]]:
        """Heights of the lines, with what each stands for."""
        values = [self._top * line / GRID_LINES for line in range(GRID_LINES + 1)]
        return [
            (_number(self._y(value)), short(value) if self.shown is whole else self.shown(value)) for value in values
        ]

    @property
    def columns(self) -> list[Column]:
        return [
            Column(
                x=_number(LEFT + self._step * place),
                middle=_number(self._middle(place)),
                label=self.labels[place],
                told="; ".join([name, *(f"{each.name}: {self.shown(each.values[place])}" for each in self.series)]),
                bars=self._bars(place) if self.kind == "bars" else [],
            )
            for place, name in enumerate(self.names)
        ]

    @property
    def lines(self) -> list[Shape]:
        """Broken where a bucket has no value."""
        if self.kind == "bars":
            return []
        return [
            Shape(
                each.colour,
                points=" ".join(f"{_number(self._middle(place))},{_number(self._y(value))}" for place, value in run),
            )
            for each in self.series
            for run in _runs(each.values)
        ]

    @property
    def dots(self) -> list[Shape]:
        if self.kind == "bars":
            return []
        return [
            Shape(each.colour, _number(self._middle(place)), _number(self._y(value)))
            for each in self.series
            for place, value in enumerate(each.values)
            if value is not None
        ]

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The same as a table."""
        return [
            (name, [self.shown(each.values[place]) for each in self.series]) for place, name in enumerate(self.names)
        ]

    @property
    def _step(self) -> float:
        return (RIGHT - LEFT) / len(self.names)

    def _middle(self, place: int) -> float:
        return LEFT + self._step * (place + 0.5)

    @property
    def _top(self) -> float:
        columns = zip(*(each.values for each in self.series), strict=True)
        most = max((_height(column, self.kind) for column in columns), default=0.0)
        least = LEAST_TOP.get(self.shown, 0.0)
        return least if most <= least else round_above(most)

    def _y(self, value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * value / self._top

    def _bars(self, place: int) -> list[Shape]:
        values = [each.values[place] or 0.0 for each in self.series]
        left = _number(LEFT + self._step * (place + 0.1))
        return [
            Shape(each.colour, left, _number(self._y(top)), _number(self._y(top - value) - self._y(top)))
            for each, value, top in zip(self.series, values, accumulate(values), strict=True)
            if value
        ]


def whole(value: float | None) -> str:
    return "–" if value is None else number_format(round(value), force_grouping=True)


def short(value: float) -> str:
    """As it fits beside an axis: 8,000, 20 k, 1.2 M."""
    for power, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= max(power, 1e4):
            return f"{number_format(value / power, 0 if value % power == 0 else 1)} {prefix}"
    return whole(value)


def percent(value: float | None) -> str:
    return "–" if value is None else f"{number_format(value, 0)} %"


def decimal(value: float | None) -> str:
    """Three figures or so: 0.12, 1.2, 120."""
    if value is None:
        return "–"
    return "0" if not value else number_format(value, 2 if value < 1 else 1 if value < 10 else 0, force_grouping=True)


LEAST_TOP: dict[Shown, float] = {whole: float(GRID_LINES), percent: 100.0}
"""So high an axis is at least: no line stands for half a generation, and a share is one of everything."""


def round_above(value: float) -> float:
    """The next number whose quarters are short ones."""
    if value <= 0:
        return float(GRID_LINES)
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1.2, 2, 4, 8, 12) if power * step >= value)


def _height(values: Sequence[float | None], kind: str) -> float:
    known = [value for value in values if value is not None]
    return float(sum(known) if kind == "bars" else max(known, default=0.0))


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    known = groupby(enumerate(values), key=lambda each: each[1] is not None)
    return [[(place, value) for place, value in run if value is not None] for is_known, run in known if is_known]


def _number(value: float) -> str:
    return f"{value:.1f}"
