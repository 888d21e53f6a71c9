"""The server's timers, which a clock that is set back must not stop."""

from __future__ import annotations

import time

from twisted.internet import reactor


def keep_going() -> None:
    """By the time since the machine's start: by the day's, what is due in a second waits for the hour to come again.

    daphne looks by a timer for applications that have ended; without it nobody closes their sockets.
    """
    setattr(reactor, "seconds", time.monotonic)  # noqa: B010 (a module to mypy)
