"""What the engine went through: its last start phase by phase, how often it started, what went wrong last."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.status import State, Status

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Text

STARTING: tuple[State, ...] = ("downloading", "loading", "warming up")


@dataclass(slots=True)
class Phase:
    """A part of a start; `seconds` is None while it lasts."""

    state: State
    text: Text
    began: float
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    at: float
    reason: Text
    fix: Text
    log: tuple[str, ...]


class History:
    """Hears every status in order; times are those of time.time()."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        """Of the running start, or of the last one."""
        self.starts = 0
        self.ready_since: float | None = None
        self.failure: Failure | None = None
        """The last one; it stays when the engine is well again."""
        self._state: State = "stopped"

    def note(self, status: Status) -> None:
        now = time.time()
        self._end_phase(now)
        if status.state in STARTING:
            if self._state not in STARTING:
                self.phases = []
            self._begin_phase(status, now)
        elif status.state == "ready":
            self.starts += self._state != "ready"
        elif status.reason:
            self.failure = Failure(now, status.reason, status.fix, status.log)
        self.ready_since = status.since if status.state == "ready" else None
        self._state = status.state

    def _begin_phase(self, status: Status, now: float) -> None:
        """A download tells of its progress often, and stays one phase."""
        last = self.phases[-1] if self.phases else None
        if last and last.state == status.state and (last.text == status.text or status.state == "downloading"):
            last.text, last.seconds = status.text, None
        else:
            self.phases.append(Phase(status.state, status.text, now))

    def _end_phase(self, now: float) -> None:
        if self.phases and self.phases[-1].seconds is None:
            self.phases[-1].seconds = now - self.phases[-1].began
