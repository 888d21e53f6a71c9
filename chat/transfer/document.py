"""A conversation as our own JSON document, with nothing lost: all versions, thinking, facts and token ids.

Messages are numbered level by level of their tree, so that the same conversation is always the same document.
Token ids are little-endian 32-bit numbers in base64.
"""

from __future__ import annotations

import base64
import sys
import uuid
from array import array
from collections.abc import Callable, Mapping
from datetime import datetime

from django.utils.translation import gettext as _

from chat.models import Conversation, EffortChoice, Feedback, Message, Role, Status
from chat.models.feedback import Rating
from chat.transfer import values
from chat.transfer.draft import MAX_MESSAGES, Draft
from chat.transfer.errors import UnreadableError
from chat.transfer.levels import levels
from inference.engine import VOCABULARY_SIZE

FORMAT = "localai-conversation"
VERSION = 1

Document = dict[str, object]


def is_mine(element: Mapping[str, object]) -> bool:
    return element.get("format") == FORMAT


def write(conversation: Conversation) -> Document:
    messages = {message.pk: message for message in conversation.messages.select_related("feedback").order_by("pk")}
    tree = levels({key: message.parent_id for key, message in messages.items()})
    numbers = {key: number for number, key in enumerate((key for level in tree for key in level), 1)}
    return {
        "format": FORMAT,
        "version": VERSION,
        "id": str(conversation.pk),
        **{name: _plain(getattr(conversation, name)) for name in CONVERSATION_FIELDS},
        "leaf": numbers.get(conversation.leaf_id or 0),
        "messages": [_message(messages[key], number, numbers) for key, number in numbers.items()],
    }


def _message(message: Message, number: int, numbers: Mapping[int, int]) -> Document:
    written: Document = {"id": number, "parent": numbers.get(message.parent_id or 0)}
    written |= {name: _plain(getattr(message, name)) for name in MESSAGE_FIELDS}
    feedback = getattr(message, "feedback", None)
    written["feedback"] = {name: _plain(getattr(feedback, name)) for name in FEEDBACK_FIELDS} if feedback else None
    return written


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(_little_endian(bytes(value))).decode("ascii")
    return value


def _little_endian(packed: bytes) -> bytes:
    """From the machine's byte order, or back."""
    if sys.byteorder == "little":
        return packed
    ids = array("I", packed)
    ids.byteswap()
    return ids.tobytes()


def read(document: Mapping[str, object]) -> Draft:
    """Raises UnreadableError."""
    if not isinstance(document.get("version"), int) or document["version"] != VERSION:
        raise UnreadableError(_("another version of LocalAI wrote it: update this one"))
    entries = [values.mapping(entry) for entry in values.items(document.get("messages"))]
    if len(entries) > MAX_MESSAGES:
        raise UnreadableError(_("it has more than %(limit)d messages") % {"limit": MAX_MESSAGES})
    numbered = {values.key(entry.get("id")): entry for entry in entries}
    tree = levels({number: values.key(entry.get("parent")) for number, entry in numbered.items()})
    if sum(map(len, tree)) != len(entries) or "" in numbered:
        raise UnreadableError(_("its messages do not form a tree"))
    conversation = Conversation(**_read(document, CONVERSATION_FIELDS))
    messages: dict[str, Message] = {}
    for number in (number for level in tree for number in level):
        parent = messages.get(values.key(numbered[number].get("parent")))
        messages[number] = _read_message(numbered[number], conversation, parent)
    return Draft(
        conversation,
        list(messages.values()),
        messages.get(values.key(document.get("leaf"))) or next(reversed(messages.values()), None),
        FORMAT,
        values.text(document.get("id")),
        _uuid(document.get("id")),
        [_read_feedback(messages[number], entry) for number, entry in numbered.items() if entry.get("feedback")],
    )


def _read_message(entry: Mapping[str, object], conversation: Conversation, parent: Message | None) -> Message:
    if entry.get("role") is None:
        raise UnreadableError(_("one of its messages has no role"))
    message = Message(conversation=conversation, parent=parent, **_read(entry, MESSAGE_FIELDS))
    is_cut = message.status != Status.COMPLETE and bool(message.text or message.thinking)
    if message.role == Role.ASSISTANT and is_cut and not (message.token_ids and message.prompt_token_ids):
        message.status = Status.COMPLETE  # there is nothing to go on from
    return message


def _read_feedback(message: Message, entry: Mapping[str, object]) -> Feedback:
    given = _read(values.mapping(entry["feedback"]), FEEDBACK_FIELDS)
    if "rating" not in given:
        raise UnreadableError(_("one of its ratings is missing"))
    return Feedback(message=message, **({"created_at": message.saved_at, "updated_at": message.saved_at} | given))


def _read(entry: Mapping[str, object], readers: Mapping[str, Callable[[object], object]]) -> dict[str, object]:
    """The values that the entry has; for others the model's defaults stay."""
    return {name: reader(entry[name]) for name, reader in readers.items() if entry.get(name) is not None}


def _choice(choices: type[Role | Status | EffortChoice | Rating]) -> Callable[[object], object]:
    def reader(value: object) -> object:
        if value == "" and choices is EffortChoice:
            return ""
        for choice in choices:
            if choice.value == value:
                return choice
        raise UnreadableError(_("it has the unknown value %(value)s") % {"value": ascii(value)[:40]})

    return reader


def _status(value: object) -> object:
    """An answer that was still being written has nobody any more who goes on with it."""
    read = _choice(Status)(value)
    return Status.INTERRUPTED if read == Status.STREAMING else read


def _moment(value: object) -> datetime:
    read = values.moment(value)
    if read is None:
        raise UnreadableError(_("one of its times cannot be read"))
    return read


def _token_ids(value: object) -> bytes:
    """Packed as the database has them; an id that no model knows would kill the engine."""
    try:
        packed = _little_endian(base64.b64decode(values.text(value), validate=True))
        is_good = max(array("I", packed), default=0) < VOCABULARY_SIZE
    except ValueError:  # the file's fault
        is_good, packed = False, b""
    if not is_good:
        raise UnreadableError(_("its token ids are damaged"))
    return packed


def _uuid(value: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(values.text(value))
    except ValueError:  # written by hand; the text is as good a name
        return None


CONVERSATION_FIELDS: Mapping[str, Callable[[object], object]] = {
    "title": lambda value: values.text(value, 200),
    "effort": _choice(EffortChoice),
    "max_tokens": lambda value: values.whole(value) or None,
    "instructions": values.text,
    "is_pinned": lambda value: value is True,
    "is_archived": lambda value: value is True,
    "created_at": _moment,
    "updated_at": _moment,
}
MESSAGE_FIELDS: Mapping[str, Callable[[object], object]] = {
    "role": _choice(Role),
    "status": _status,
    "text": values.text,
    "thinking": values.text,
    "error": lambda value: values.text(value, 500),
    "created_at": _moment,
    "saved_at": _moment,
    "effort": _choice(EffortChoice),
    "model": lambda value: values.text(value, 200),
    "prompt_tokens": values.whole,
    "max_tokens": values.whole,
    "dropped_turns": values.whole,
    "thinking_tokens": values.whole,
    "answer_tokens": values.whole,
    "first_token_seconds": values.seconds,
    "thinking_seconds": values.seconds,
    "total_seconds": values.seconds,
    "is_malformed": lambda value: value is True,
    "prompt_token_ids": _token_ids,
    "token_ids": _token_ids,
}
FEEDBACK_FIELDS: Mapping[str, Callable[[object], object]] = {
    "rating": _choice(Rating),
    "note": lambda value: values.text(value, 2000),
    "created_at": _moment,
    "updated_at": _moment,
}
