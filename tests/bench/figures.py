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


def at_least(limit: float) -> Target:
    return Target(limit, is_floor=True)


def at_most(limit: float) -> Target:
    return Target(limit, is_floor=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `result` is made round by round, so noise that lasts longer than one cancels.

    `floor` is what the same work takes with nothing of the product between; `peer` is what another
    product took, as text: its figure is from another day.
    """

    what: str
    floor: Spread | None
    ours: Spread | None
    result: Spread | None = None
    target: Target | None = None
    peer: str = ""

    @property
    def is_met(self) -> bool | None:
        measured = self.result or self.ours
        return self.target.is_met(measured) if self.target and measured else None


def ratio(
    what: str, floor: Sequence[float], ours: Sequence[float], unit: str, target: Target | None = None, peer: str = ""
) -> Figure:
    """The target is the ratio's."""
    ratios = [mine / theirs for mine, theirs in zip(ours, floor, strict=True)]
    return Figure(what, Spread.of(floor, unit), Spread.of(ours, unit), Spread.of(ratios), target, peer)


def difference(
    what: str, floor: Sequence[float], ours: Sequence[float], unit: str, target: Target | None = None, peer: str = ""
) -> Figure:
    """The target is the difference's."""
    differences = [mine - theirs for mine, theirs in zip(ours, floor, strict=True)]
    return Figure(what, Spread.of(floor, unit), Spread.of(ours, unit), Spread.of(differences, unit), target, peer)


def beside(
    what: str, floor: Sequence[float], ours: Sequence[float], unit: str, target: Target | None = None, peer: str = ""
) -> Figure:
    """Both as they are; the target is ours alone."""
    return Figure(what, Spread.of(floor, unit), Spread.of(ours, unit), None, target, peer)


def ours_alone(what: str, ours: Sequence[float], unit: str, target: Target | None = None, peer: str = "") -> Figure:
    return Figure(what, None, Spread.of(ours, unit), None, target, peer)
