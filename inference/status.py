"""What the engine is doing, and who wants to hear of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Text

logger = logging.getLogger(__name__)

State = Literal["stopped", "downloading", "loading", "warming up", "ready", "restarting", "failed"]

STATE_NAMES: dict[State, Text] = {
    "stopped": _("stopped"),
    "downloading": _("downloading"),
    "loading": _("loading"),
    "warming up": _("warming up"),
    "ready": _("ready"),
    "restarting": _("restarting"),
    "failed": _("failed"),
}

SETTLED: tuple[State, ...] = ("ready", "failed", "stopped")


@dataclass(frozen=True, slots=True)
class Status:
    """What the page shows of the engine.

    `since` is the time.time() at which `state` began. `started` is the one at which the running start
    began, moved on by the time that a download took: so time.time() - started compares with
    `expected_seconds`, how long such a start took the last time (None: not known, or not starting).
    `log` holds the last errors of the engine's own log.
    """

    state: State
    text: Text = ""
    done: int = 0
    total: int = 0
    since: float = 0.0
    reason: Text = ""
    fix: Text = ""
    log: tuple[str, ...] = ()
    started: float | None = None
    expected_seconds: float | None = None


StatusListener = Callable[[Status], None]


class StatusBoard:
    """The newest status. It may be read, waited for and listened to from any thread."""

    def __init__(self) -> None:
        self.status = Status("stopped", since=time.time())
        self._changed = threading.Condition(threading.RLock())
        self._listeners: tuple[StatusListener, ...] = ()

    def publish(self, status: Status) -> None:
        """Replace the status, if it differs, and tell the listeners in this thread."""
        with self._changed:
            since = self.status.since if status.state == self.status.state else time.time()
            status = replace(status, since=since)
            if status == self.status:
                return
            self.status = status
            self._changed.notify_all()
            for listener in self._listeners:
                try:
                    listener(status)
                except Exception:  # the listener's fault, and no reason to leave the engine alone
                    logger.exception("A listener of the engine's status failed.")

    def subscribe(self, listener: StatusListener) -> Callable[[], None]:
        """Call `listener` with every new status; returns how to end that."""
        with self._changed:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._changed:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return unsubscribe

    def wait_settled(self, timeout_seconds: float | None) -> None:
        """Block until nothing is under way, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self.status.state in SETTLED, timeout_seconds)
