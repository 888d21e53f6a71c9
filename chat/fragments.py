"""The page's pieces as HTML. One template, one root element, one id; the page includes the same files.

A piece for the socket carries `hx-swap-oob`, so that htmx puts it where its id is.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

from django.contrib.auth.models import AbstractBaseUser
from django.template.loader import render_to_string

from chat.models import Conversation, Message
from inference.gate import get_gate
from inference.generation import model_name
from inference.request import is_demo
from inference.status import Status
from inference.supervisor import get_supervisor

SHOWN_CONVERSATIONS = 200
BUSY_STATES = ("downloading", "loading", "warming up", "restarting")


def message(shown: Message) -> str:
    """The whole article, in place of the one on the page."""
    return _render("message", message=shown, is_oob=True)


def turn(prompt: Message, answer: Message) -> str:
    """A new prompt and its empty answer, at the end of the page."""
    return _render("turn", messages=[prompt, answer], is_oob=True)


def messages(shown: Iterable[Message]) -> str:
    """All messages, in place of those on the page."""
    return _render("messages", messages=shown, is_oob=True)


def thinking(shown: Message) -> str:
    """The thinking block, in place of the one on the page: opened or folded."""
    return _render("thinking", message=shown, is_oob=True)


def progress(shown: Message) -> str:
    """What stands below a running answer: that it runs, and what can be done about it."""
    return _render("progress", message=shown, is_oob=True)


def append(shown: Message, thinking_text: str, answer_text: str) -> str:
    """New text at the end of the thinking and of the answer."""
    return _render("append", message=shown, thinking_text=thinking_text, answer_text=answer_text)


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


def heartbeat() -> str:
    """Nothing but a sign of life."""
    return _render("heartbeat", is_oob=True)


def sidebar_top(conversation: Conversation) -> str:
    """The conversation as the first of the list; cheap, however long the list is."""
    return _render("sidebar_top", item=conversation, current=conversation)


def sidebar_item(conversation: Conversation) -> str:
    """The conversation where it is in the list; the page keeps a place for one that is not listed yet."""
    return _render("sidebar_item", item=conversation, current=conversation, is_oob=True)


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


def sidebar_context(user: AbstractBaseUser, current: Conversation | None) -> dict[str, object]:
    shown = Conversation.objects.for_user(user).started().recent()[: SHOWN_CONVERSATIONS + 1]
    conversations = list(shown)
    return {
        "conversations": conversations[:SHOWN_CONVERSATIONS],
        "has_more": len(conversations) > SHOWN_CONVERSATIONS,
        "current": current,
    }


def engine_context() -> dict[str, object]:
    status = get_supervisor().status
    return {
        "state": "generating" if status.state == "ready" and get_gate().held else status.state,
        "engine": status,
        "percent": _percent(status),
        "is_starting": status.state in BUSY_STATES,
        "model_name": "demo model" if is_demo() else model_name(),
    }


def _percent(status: Status) -> int | None:
    return 100 * status.done // status.total if status.total else None


def _render(name: str, **context: object) -> str:
    return render_to_string(f"chat/fragments/{name}.html", context)
