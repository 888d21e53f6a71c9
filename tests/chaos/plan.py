"""What breaks when, drawn from a seed: the same seed makes the same plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

TWO_AT_ONCE = 0.25
FRAMES = (3, 60)
"""So many reach pages between the end of one break and the next: faults come at points of the talk, not of time."""
SECONDS = (0.05, 0.4, 1.0, 1.0, 2.0, 4.0)
"""For which something stays broken; at the longest a timeout of the site's runs out."""
PEOPLE = (1, 3, 10)
JUMPS = (-86_400, -3600, -30, 30, 3600, 86_400)
"""Of a clock, in seconds."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`which` of several servers; `size` of a jump, or the number of people."""

    kind: str
    which: int
    size: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.which}" + (f" ({self.size:+})" if self.size else "")


@dataclass(frozen=True, slots=True)
class Break:
    """What breaks together, after so many `frames`, for so many `seconds`."""

    frames: int
    faults: tuple[Fault, ...]
    seconds: float

    def __str__(self) -> str:
        return f"after {self.frames} frames, for {self.seconds} s: {', '.join(map(str, self.faults))}"


def plan(seed: int, faults: int, kinds: Sequence[str]) -> list[Break]:
    """With so many faults; each kind comes about equally often, and twice only when all others have come."""
    draw = Random(f"plan {seed}")
    deck: list[str] = []
    breaks = []
    while faults > 0:
        count = min(faults, 2 if draw.random() < TWO_AT_ONCE else 1)
        if len(deck) < count:
            deck = draw.sample(kinds, len(kinds))
        together = tuple(_fault(deck.pop(), draw) for _ in range(count))
        breaks.append(Break(draw.randint(*FRAMES), together, draw.choice(SECONDS)))
        faults -= count
    return breaks


def _fault(kind: str, draw: Random) -> Fault:
    which = draw.randrange(1000)
    if "sockets" in kind:
        return Fault(kind, which, draw.choice(PEOPLE))
    return Fault(kind, which, draw.choice(JUMPS) if kind == "clock jumps" else 0)
