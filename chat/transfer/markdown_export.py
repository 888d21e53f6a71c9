"""The shown messages of a conversation as Markdown, to read and to keep."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.utils import formats, timezone
from django.utils.translation import gettext as _

from chat.models import Conversation, Message, Role, Status

FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


def write(conversation: Conversation) -> str:
    return "\n\n".join(_blocks(conversation)) + "\n"


def _blocks(conversation: Conversation) -> Iterator[str]:
    yield f"# {conversation}"
    yield f"*{formats.date_format(timezone.localtime(conversation.created_at), 'DATETIME_FORMAT')}*"
    if conversation.instructions:
        yield "## " + _("Instructions")
        yield _closed(conversation.instructions)
    for message in conversation.path():
        yield from _prompt(message) if message.role == Role.USER else _answer(message)


def _prompt(message: Message) -> Iterator[str]:
    yield "## " + _("Prompt")
    yield _closed(message.text)


def _answer(message: Message) -> Iterator[str]:
    yield "## " + _("Answer")
    if message.thinking:
        yield _quoted(f"**{_('Thinking')}**\n\n{_closed(message.thinking)}")
    if message.text:
        yield _closed(message.text)
    if outcome := _outcome(message):
        yield f"*{outcome}*"


def _outcome(message: Message) -> str:
    """What a reader should know of how the answer ended; nothing if it is complete."""
    texts = {
        Status.STREAMING: _("This answer was still being written."),
        Status.LENGTH: _("This answer was cut off at its greatest length."),
        Status.STOPPED: _("This answer was stopped."),
        Status.INTERRUPTED: _("This answer was interrupted."),
        Status.FAILED: message.error or _("This answer failed."),
    }
    return texts.get(Status(message.status), "")


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _closed(text: str) -> str:
    """The text, with an end for a block of code that has none: it would swallow all that follows."""
    lines = re.split(r"\r\n?|\n", text.strip("\r\n"))
    fence = ""
    for match in filter(None, map(FENCE.match, lines)):
        sign, rest = match[1], match[2]
        if not fence and not (sign[0] == "`" and "`" in rest):
            fence = sign
        elif fence and sign.startswith(fence) and not rest.strip():
            fence = ""
    return "\n".join([*lines, fence] if fence else lines)
