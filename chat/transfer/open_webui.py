"""Open WebUI's export: each chat a `history` of messages with parents, or a plain list of them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping

from django.utils import timezone

from chat.models import Conversation, Role
from chat.transfer import foreign, values
from chat.transfer.draft import Draft
from chat.transfer.foreign import Node

SOURCE = "open-webui"
ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT}
OPENING, CLOSING = "<details", "</details>"
ATTRIBUTES = re.compile(r'\b(type|duration)="([^"]{1,40})"')
SUMMARY = re.compile(r"\s*<summary>[^<]{0,1000}</summary>")
QUOTE = re.compile(r"^> ?", re.MULTILINE)

Messages = dict[str, Mapping[str, object]]


def is_mine(element: Mapping[str, object]) -> bool:
    chat = values.mapping(element.get("chat")) or element
    return isinstance(chat.get("history"), dict) or isinstance(chat.get("messages"), list)


def read(element: Mapping[str, object]) -> Draft:
    """Raises UnreadableError."""
    chat = values.mapping(element.get("chat")) or element
    begun = values.moment(element.get("created_at")) or values.moment(chat.get("timestamp")) or timezone.now()
    conversation = Conversation(
        title=values.line(element.get("title"), 200) or values.line(chat.get("title"), 200),
        instructions=_instructions(chat),
        created_at=begun,
        updated_at=values.moment(element.get("updated_at")) or begun,
        is_archived=element.get("archived") is True,
        is_pinned=element.get("pinned") is True,
    )
    messages, current = _messages(chat)
    model = next((values.line(model, 200) for model in values.items(chat.get("models"))), "")
    return foreign.draft(
        conversation,
        {key: _node(messages[key], model) for key in foreign.in_order(messages, "childrenIds")},
        current,
        source=SOURCE,
        source_id=values.key(element.get("id")) or values.key(chat.get("id")),
    )


def _instructions(chat: Mapping[str, object]) -> str | None:
    parameters = values.mapping(chat.get("params"))
    return values.text(chat.get("system")) or values.text(parameters.get("system")) or None


def _messages(chat: Mapping[str, object]) -> tuple[Messages, str]:
    """By their ids, and which of them is the last one shown."""
    history = values.mapping(chat.get("history"))
    named = {key: values.mapping(entry) for key, entry in values.mapping(history.get("messages")).items() if key}
    if named:
        return named, values.key(history.get("currentId"))
    chain: Messages = {}
    before = ""
    for number, entry in enumerate(map(values.mapping, values.items(chat.get("messages")))):
        key = values.key(entry.get("id")) or f"#{number}"
        chain[key] = {"parentId": before, **entry}
        before = key
    return chain, before


def _node(entry: Mapping[str, object], model: str) -> Node:
    parent, role = values.key(entry.get("parentId")), ROLES.get(values.text(entry.get("role")))
    if role is None:
        return Node(parent)
    text, created_at = _text(entry.get("content")), values.moment(entry.get("timestamp"))
    if role == Role.USER:
        return Node(parent, role, text, created_at=created_at)
    answer, thinking, seconds = _parted(text)
    return Node(
        parent, role, answer, thinking, created_at, values.line(entry.get("model"), 200) or model, seconds or None
    )


def _text(content: object) -> str:
    if isinstance(content, str):
        return values.text(content)
    parts = [values.mapping(part) for part in values.items(content)]
    return "\n\n".join(values.text(part.get("text")) or "[image]" for part in parts)


def _parted(text: str) -> tuple[str, str, float]:
    """The answer, the thinking, and how many seconds that took."""
    answer, thinking, total_seconds = [], [], 0.0
    for piece in _pieces(text):
        head = piece[: piece.find(">")][:1000] if piece.startswith(OPENING) else ""
        attributes = dict(ATTRIBUTES.findall(head))
        if attributes.get("type") == "reasoning":
            thinking.append(_unquoted(piece))
            total_seconds += _seconds(attributes.get("duration", ""))
        elif "type" not in attributes:  # those with another type tell of tools
            answer.append(piece)
    return "".join(answer).strip(), "\n\n".join(thinking), total_seconds


def _pieces(text: str) -> Iterator[str]:
    """Blocks of details and what is around them; never looks twice at the same text, however odd it is."""
    position = 0
    while (start := text.find(OPENING, position)) >= 0:
        yield text[position:start]
        end = text.find(CLOSING, start)
        position = end + len(CLOSING) if end >= 0 else len(text)
        yield text[start:position]
    yield text[position:]


def _unquoted(block: str) -> str:
    """The thinking in a block; newer versions of Open WebUI escape it, all write it as a quotation."""
    inner = SUMMARY.sub("", block[block.find(">") + 1 :].removesuffix(CLOSING), count=1).strip()
    return QUOTE.sub("", html.unescape(inner) if inner.startswith("&gt;") else inner)


def _seconds(digits: str) -> float:
    return values.seconds(float(digits)) or 0.0 if digits.isdecimal() else 0.0
