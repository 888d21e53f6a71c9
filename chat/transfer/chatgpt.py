"""ChatGPT's export: each conversation a `mapping` of nodes, many of them notes to the model or to tools."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils import timezone

from chat.models import Conversation, Role
from chat.transfer import foreign, values
from chat.transfer.draft import Draft
from chat.transfer.foreign import Node

SOURCE = "chatgpt"
MARKS = re.compile("\ue200[^\ue201]{0,1000}\ue201|[\ue200-\ue2ff]")
"""Its page turns these private characters into links to sources, which the file does not have."""
UNSHOWN = {"user_editable_context", "model_editable_context", "reasoning_recap"}


def is_mine(element: Mapping[str, object]) -> bool:
    return isinstance(element.get("mapping"), dict)


def read(element: Mapping[str, object]) -> Draft:
    """Raises UnreadableError."""
    entries = {key: values.mapping(entry) for key, entry in values.mapping(element["mapping"]).items() if key}
    begun = values.moment(element.get("create_time")) or timezone.now()
    conversation = Conversation(
        title=values.line(element.get("title"), 200),
        created_at=begun,
        updated_at=values.moment(element.get("update_time")) or begun,
        is_archived=element.get("is_archived") is True,
        is_pinned=element.get("is_starred") is True,
    )
    return foreign.draft(
        conversation,
        {key: _node(entries[key]) for key in foreign.in_order(entries, "children")},
        values.key(element.get("current_node")),
        source=SOURCE,
        source_id=values.key(element.get("conversation_id")) or values.key(element.get("id")),
    )


def _node(entry: Mapping[str, object]) -> Node:
    parent, message = values.key(entry.get("parent")), values.mapping(entry.get("message"))
    role, metadata = _role(message), values.mapping(message.get("metadata"))
    if role is None:
        return Node(parent)
    content = values.mapping(message.get("content"))
    is_analysis = message.get("channel") == "analysis"
    text = "" if values.text(content.get("content_type")) in UNSHOWN else _text(content)
    return Node(
        parent,
        role,
        "" if is_analysis else text,
        text if is_analysis else _thoughts(content),
        values.moment(message.get("create_time")),
        values.line(metadata.get("model_slug"), 200),
        values.seconds(metadata.get("finished_duration_sec")),
    )


def _role(message: Mapping[str, object]) -> Role | None:
    """None for what nobody was shown: the system's and the tools' messages, and what the model told the tools."""
    author, metadata = values.mapping(message.get("author")), values.mapping(message.get("metadata"))
    is_hidden = metadata.get("is_visually_hidden_from_conversation") is True
    if is_hidden or message.get("recipient") not in (None, "", "all"):
        return None
    return {"user": Role.USER, "assistant": Role.ASSISTANT}.get(values.text(author.get("role")))


def _text(content: Mapping[str, object]) -> str:
    parts = values.items(content.get("parts")) or [content.get("text")]
    text = MARKS.sub("", "\n\n".join(part for part in map(_part, parts) if part))
    if content.get("content_type") == "code" and text:
        language = re.sub(r"[^\w+#-]|unknown", "", values.text(content.get("language")))
        return f"```{language}\n{text}\n```"
    return text


def _part(part: object) -> str:
    """A text, or what stands for one: what was said aloud, or that there was a picture."""
    if isinstance(part, str):
        return values.text(part)
    other = values.mapping(part)
    is_picture = "image" in values.text(other.get("content_type"))
    return "[image]" if is_picture else values.text(other.get("text"))


def _thoughts(content: Mapping[str, object]) -> str:
    thoughts = [values.mapping(thought) for thought in values.items(content.get("thoughts"))]
    lines = [values.text(thought.get(name)) for thought in thoughts for name in ("summary", "content")]
    return "\n".join(line for line in lines if line.strip())
