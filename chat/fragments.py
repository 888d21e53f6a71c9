"""The page's pieces as HTML. One template, one root element, one id; the page includes the same files.

A piece for the socket carries `hx-swap-oob`, so that htmx puts it where its id is.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from django.template.loader import render_to_string
from django.utils.translation import gettext, gettext_noop

from chat.markdown.document import localised
from chat.markdown.open_blocks import Change
from chat.markdown.stream import Stream
from chat.models import Conversation, Message
from inference.gate import get_gate
from inference.limits import model_name
from inference.request import is_demo
from inference.status import STATE_NAMES, Status
from inference.supervisor import get_supervisor

SAMPLES = [
    gettext_noop("What is 47 + 38?"),
    gettext_noop("What is the capital of Japan?"),
    gettext_noop("Show me a table"),
    gettext_noop("What can you do?"),
]
BUSY_STATES = ("downloading", "loading", "warming up", "restarting")


def message(shown: Message) -> str:
    """The whole article, in place of the one on the page."""
    return _render("message", message=shown, is_oob=True)


def turn(prompt: Message, answer: Message) -> str:
    """A new prompt and its empty answer, at the end of the page."""
    return _render("turn", messages=[prompt, answer], is_oob=True)


def messages(shown: Sequence[Message], conversation: Conversation) -> str:
    """The end of the conversation, in place of what is on the page."""
    return _render("messages", messages=shown, conversation=conversation, samples=samples(), is_oob=True)


def samples() -> list[str]:
    """Prompts to begin with; the demo model reads English alone."""
    return [sample if is_demo() else gettext(sample) for sample in SAMPLES]


def thinking(shown: Message) -> str:
    """The thinking block, in place of the one on the page: opened or folded."""
    return _render("thinking", message=shown, is_oob=True)


def progress(shown: Message) -> str:
    """What stands below a running answer: that it runs, and what can be done about it."""
    return _render("progress", message=shown, is_oob=True)


def live_message(shown: Message, answer: Stream) -> str:
    """The same of one that is being written, its answer in the state that frames go on from."""
    parts = {"closed": localised(answer.closed), "open": localised(answer.open)}
    return _render("message", message=shown, **parts, is_live=True, is_oob=True)


def append(shown: Message, thinking_text: str, change: Change | None) -> str:
    """What is new: text at the end of the thinking, and changes of the answer's blocks."""
    change = change or Change()
    parts = {
        "closed": localised(change.closed),
        "open": None if change.open is None else localised(change.open),
        "grown": localised(change.grown),
        "replaces_latest": change.grown.startswith("<"),
        "wrapper": "tbody" if change.grown.startswith("<tr") else "div",
    }
    return _render("append", message=shown, thinking_text=thinking_text, **parts)


def facts(shown: Message) -> str:
    """What is known of an answer: tokens, speed, model."""
    return _render("facts", message=shown, is_oob=True)


def announcement(shown: Message) -> str:
    """What a screen reader says of it: that it began, or how it ended."""
    return _render("announcement", message=shown, is_oob=True)


def earlier(shown: Sequence[Message], conversation: Conversation) -> str:
    """Earlier messages, above those on the page."""
    return _render("earlier_messages", messages=shown, conversation=conversation)


def actions(running: Message | None) -> str:
    """The composer's buttons: Stop only while an answer runs here."""
    return _render("actions", running=running, is_oob=True)


def alert(text: str = "", *, is_error: bool = True) -> str:
    """What went wrong, above the composer; nothing when `text` is empty."""
    return _render("alert", text=text, is_error=is_error, is_oob=True)


def prompt_key() -> str:
    """A key for the next prompt. It tells the page that the last one is saved, so the composer may be cleared."""
    return _render("prompt_key", key=new_key(), is_oob=True)


def new_key() -> str:
    """What tells one prompt from another of the same words."""
    return secrets.token_hex(16)


def meter_refresh() -> str:
    """Has the page ask, with its draft, how full the context will be: the conversation has changed."""
    return _render("meter_refresh", is_oob=True)


def heartbeat() -> str:
    """Nothing but a sign of life."""
    return _render("heartbeat", is_oob=True)


def engine_status(*, is_staff: bool) -> str:
    return _render("engine_status", **engine_context(), is_staff=is_staff, is_oob=True)


def can_answer() -> bool:
    return get_supervisor().status.state == "ready" and not get_gate().is_full


def state_of(path: Sequence[Message]) -> str:
    """What a page has shown, as far as a change can be told from it: the last message, its status and its age.

    Not the age of a running one: its snapshot comes anyhow.
    """
    if not path:
        return "empty"
    last = path[-1]
    return f"{last.pk}-{last.status}" + ("" if last.is_streaming else f"-{last.saved_at.timestamp():.6f}")


def engine_context() -> dict[str, object]:
    status = get_supervisor().status
    return {
        "state_name": STATE_NAMES[status.state],
        "state": "generating" if status.state == "ready" and get_gate().held else status.state,
        "engine": status,
        "percent": _percent(status),
        "is_starting": status.state in BUSY_STATES,
        "model_name": gettext("demo model") if is_demo() else model_name(),
    }


def _percent(status: Status) -> int | None:
    return 100 * status.done // status.total if status.total else None


def _render(name: str, **context: object) -> str:
    return render_to_string(f"chat/fragments/{name}.html", context)
