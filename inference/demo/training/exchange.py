"""One question with its answer and what is thought before it: the unit the skills produce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Effort = Literal["low", "medium", "high"]
EFFORTS: tuple[Effort, ...] = ("low", "medium", "high")


@dataclass(frozen=True)
class Thoughts:
    """The text of the analysis channel for each effort; an empty one is left out of the completion."""

    medium: str
    high: str
    low: str = ""

    def at(self, effort: Effort) -> str:
        return {"low": self.low, "medium": self.medium, "high": self.high}[effort]


@dataclass(frozen=True)
class Exchange:
    prompt: str
    thoughts: Thoughts
    final: str
