"""What the benchmark says: each figure a median with its range, from rounds that stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of all rounds, and the lowest and the highest."""

    median: float
    low: float
    high: float
    unit: str

    @classmethod
    def of(cls, values: Sequence[float], unit: str = "") -> Spread:
        return cls(median(values), min(values), max(values), unit)

    def __str__(self) -> str:
        digits = 3 if self.unit == "" else 1
        numbers = [f"{value:,.{digits}f}" for value in (self.median, self.low, self.high)]
        return f"{numbers[0]}{self.unit and ' ' + self.unit} ({numbers[1]} … {numbers[2]})"


@dataclass(frozen=True, slots=True)
class Target:
    limit: float
    is_floor: bool

    def is_met(self, spread: Spread) -> bool:
        return spread.median >= self.limit if self.is_floor else spread.median <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.is_floor else '≤'} {self.limit:g}"


RATE_TARGET = Target(0.95, is_floor=True)
DELIVERY_TARGET = Target(0.98, is_floor=True)
FIRST_TEXT_TARGET = Target(30, is_floor=False)
"""Milliseconds; the median."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `result` is made round by round, so noise that lasts longer than one cancels."""

    what: str
    bare: Spread | None
    ours: Spread | None
    result: Spread | None = None
    target: Target | None = None

    @property
    def is_met(self) -> bool | None:
        measured = self.result or self.ours
        return self.target.is_met(measured) if self.target and measured else None


def ratio(what: str, bare: Sequence[float], ours: Sequence[float], unit: str, target: Target | None = None) -> Figure:
    ratios = [mine / theirs for mine, theirs in zip(ours, bare, strict=True)]
    return Figure(what, Spread.of(bare, unit), Spread.of(ours, unit), Spread.of(ratios), target)


def difference(
    what: str, bare: Sequence[float], ours: Sequence[float], unit: str, target: Target | None = None
) -> Figure:
    differences = [mine - theirs for mine, theirs in zip(ours, bare, strict=True)]
    return Figure(what, Spread.of(bare, unit), Spread.of(ours, unit), Spread.of(differences, unit), target)


def ours_alone(what: str, ours: Sequence[float], unit: str, target: Target | None = None) -> Figure:
    return Figure(what, None, Spread.of(ours, unit), None, target)
