"""What one page shows of its conversation, and so which frame fits next. Knows neither socket nor database."""

from __future__ import annotations

import time
from enum import Enum, auto

from chat.broadcast import Frame


class Step(Enum):
    """What is to be done about a frame."""

    FORWARD = auto()
    DROP = auto()
    ASK = auto()
    """Frames are missing: ask the reply for a snapshot."""
    CATCH_UP = auto()
    """The page shows something else: show the conversation as it is saved."""


class Following:
    """The page's `leaf` (0: an empty conversation) and the last frame of the reply that writes it."""

    def __init__(self) -> None:
        self.leaf = 0
        self.is_running = False
        self._reply = ""
        self._sequence = 0
        self._is_waiting = False
        self._heard_at = time.monotonic()

    def begin(self, leaf: int, *, is_running: bool) -> None:
        """The page was just shown the conversation as saved; of what runs, the snapshot is to come."""
        self.leaf, self.is_running = leaf, is_running
        self._reply, self._sequence, self._is_waiting = "", 0, False

    @property
    def silent_seconds(self) -> float:
        """How long nothing was heard of the reply."""
        return time.monotonic() - self._heard_at

    def wait(self) -> None:
        """Until a snapshot comes no frame is forwarded."""
        self._is_waiting = True

    def frame(self, event: Frame) -> Step:
        self._heard_at = time.monotonic()
        sequence = event["sequence"]
        if event["reply"] == self._reply:
            if sequence <= self._sequence:
                return Step.DROP
            if sequence > self._sequence + 1 or self._is_waiting:
                return Step.ASK
        elif not self._fits(event):
            return Step.ASK if event["message"] == self.leaf and self.is_running else Step.CATCH_UP
        return self._follow(event)

    def _fits(self, event: Frame) -> bool:
        """Whether the page, as it is, can begin to follow another reply with this."""
        if event["sequence"] != 1 or event["after"] not in (None, self.leaf):
            return False
        # A turn after an answer whose end the page has missed would leave that unfinished.
        return event["after"] is None or not self.is_running

    def snapshot(self, event: Frame) -> Step:
        self._heard_at = time.monotonic()
        if event["message"] != self.leaf:
            return Step.CATCH_UP
        if event["reply"] == self._reply and event["sequence"] <= self._sequence:
            return Step.DROP
        return self._follow(event)

    def _follow(self, event: Frame) -> Step:
        self.leaf, self._reply, self._sequence = event["message"], event["reply"], event["sequence"]
        self.is_running, self._is_waiting = not event["is_end"], False
        return Step.FORWARD
