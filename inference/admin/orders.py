"""What an administrator can have done to the engine, and what each order means for the answers that run."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext_lazy as _

from inference.supervisor import Supervisor

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Text

logger = logging.getLogger(__name__)

Name = Literal["start", "restart", "stop"]


@dataclass(frozen=True, slots=True)
class Order:
    """`question` is asked before, `done` told after it; `means` is what becomes of running answers."""

    name: Name
    label: Text
    question: Text
    means: Text
    done: Text


START = Order(
    "start",
    _("Start"),
    _("Start the engine?"),
    _("It takes as long as the last start. People can send their prompts when it is ready."),
    _("The engine is being started."),
)
RESTART = Order(
    "restart",
    _("Restart"),
    _("Restart the engine?"),
    _("Answers that are being written pause, and go on by themselves when the engine is ready again."),
    _("The engine is being restarted."),
)
STOP = Order(
    "stop",
    _("Stop"),
    _("Stop the engine?"),
    _(
        "Answers that are being written break off; their text is kept, and Continue goes on from there. Nobody gets "
        "an answer until somebody presses Start, or the server itself is started again."
    ),
    _("The engine is being stopped."),
)
RECONNECT = Order(
    "restart",
    _("Reconnect"),
    _("Ask the vLLM server again?"),
    _("The server itself is left alone, and answers that it is writing go on."),
    _("The vLLM server is being asked."),
)


def offered(supervisor: Supervisor) -> list[Order]:
    """None while it starts: that ends by itself, ready or failed."""
    state = supervisor.status.state
    if supervisor.is_remote:
        return [RECONNECT] if state in ("ready", "failed", "restarting") else []
    if state == "ready":
        return [RESTART, STOP]
    return [START] if state in ("stopped", "failed", "restarting") else []


def carry_out(order: Order, supervisor: Supervisor, user_id: int | None) -> None:
    """Returns at once; the status tells how it goes."""
    logger.warning("User %s orders: %s the engine.", user_id, order.name)
    if order.name == "stop":
        reason = _("An administrator has stopped the engine.")
        Thread(target=supervisor.stop, args=(reason,), name="engine-stop").start()
    elif supervisor.status.state == "ready":
        supervisor.restart(_("An administrator restarts the engine."), is_ordered=True)
    else:
        supervisor.start_in_background()
        supervisor.retry()
