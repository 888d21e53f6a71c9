"""Other programs' trees of messages as ours: prompts and answers take turns along every path.

Elsewhere one answer may be many nodes (thoughts, tool calls, text), with notes in between that nobody was shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from chat.models import Conversation, Message, Role
from chat.transfer import values
from chat.transfer.draft import MAX_CHARACTERS, MAX_MESSAGES, Draft
from chat.transfer.errors import UnreadableError
from chat.transfer.levels import levels


@dataclass(frozen=True, slots=True)
class Node:
    """One message of a file. Without a role it is not shown: what hangs on it hangs on its parent."""

    parent: str = ""
    role: Role | None = None
    text: str = ""
    thinking: str = ""
    created_at: datetime | None = None
    model: str = ""
    thinking_seconds: float | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.text.strip() or self.thinking.strip())


@dataclass(eq=False, slots=True)
class _Place:
    """A prompt or an answer, and the nodes that it is made of."""

    role: Role
    parent: _Place | None
    nodes: list[Node]
    is_answered: bool = False


class _Tree:
    """Places for nodes; a node's place is told by its parent's, and by how much of that was there."""

    def __init__(self) -> None:
        self.places: list[_Place] = []
        self.of: dict[str, tuple[_Place | None, int]] = {}
        self._shorter: dict[tuple[int, int], _Place] = {}

    def put(self, key: str, node: Node) -> None:
        place, length = self.of.get(node.parent, (None, 0))
        self.of[key] = self._put(node, place, length)

    def _put(self, node: Node, place: _Place | None, length: int) -> tuple[_Place | None, int]:
        goes_on = place is not None and place.role == node.role
        if node.role is None or (node.is_empty and not goes_on):
            return place, length
        if place is None or not goes_on:
            before = self._up_to(place, length)
            return self._new(node.role, before, [node]) if before or node.role == Role.USER else (None, 0)
        if len(place.nodes) == length and not place.is_answered:
            place.nodes.append(node)
            return place, length + 1
        if node.is_empty:
            return place, length
        return self._new(node.role, place.parent, [*place.nodes[:length], node])

    def _up_to(self, place: _Place | None, length: int) -> _Place | None:
        """The place, or another version of it if it has gone on meanwhile."""
        if place is None or len(place.nodes) == length:
            return place
        key = id(place), length
        if key not in self._shorter:
            self._shorter[key] = self._new(place.role, place.parent, place.nodes[:length])[0]
        return self._shorter[key]

    def _new(self, role: Role, parent: _Place | None, nodes: list[Node]) -> tuple[_Place, int]:
        place = _Place(role, parent, nodes)
        if parent:
            parent.is_answered = True
        self.places.append(place)
        return place, len(nodes)

    def newest_below(self, place: _Place) -> _Place:
        """Where the path through a place ends, as the page shows it."""
        newest = {id(below.parent): below for below in self.places}
        while id(place) in newest:
            place = newest[id(place)]
        return place


def in_order(entries: Mapping[str, Mapping[str, object]], children: str) -> list[str]:
    """The keys, siblings in the order in which their parent's list `children` has them."""
    positions: dict[str, int] = {}
    for entry in entries.values():
        for position, child in enumerate(values.items(entry.get(children))):
            positions.setdefault(values.key(child), position)
    return sorted(entries, key=lambda key: positions.get(key, len(entries)))


def draft(conversation: Conversation, nodes: Mapping[str, Node], current: str, *, source: str, source_id: str) -> Draft:
    """`current` is the node at the end of the shown path. Raises UnreadableError."""
    if len(nodes) > MAX_MESSAGES:
        raise UnreadableError(_("it has more than %(limit)d messages") % {"limit": MAX_MESSAGES})
    on_levels = levels({key: node.parent for key, node in nodes.items()})
    if sum(map(len, on_levels)) != len(nodes):
        raise UnreadableError(_("its messages do not form a tree"))
    tree = _Tree()
    for key in (key for level in on_levels for key in level):
        tree.put(key, nodes[key])
    if sum(len(node.text) + len(node.thinking) for place in tree.places for node in place.nodes) > MAX_CHARACTERS:
        raise UnreadableError(_("it is too long"))
    messages = {id(None): None} | _messages(conversation, tree.places)
    shown = tree.of.get(current, (None, 0))[0] or (tree.places[-1] if tree.places else None)
    leaf = messages[id(tree.newest_below(shown) if shown else None)]
    made = Draft(conversation, [message for message in messages.values() if message], leaf, source, source_id)
    made.name()
    return made


def _messages(conversation: Conversation, places: list[_Place]) -> dict[int, Message | None]:
    messages: dict[int, Message | None] = {id(None): None}
    for place in places:
        parent = messages[id(place.parent)]
        messages[id(place)] = _message(place, conversation, parent)
    return messages


def _message(place: _Place, conversation: Conversation, parent: Message | None) -> Message:
    times = [node.created_at for node in place.nodes if node.created_at]
    begun = times[0] if times else parent.saved_at if parent else conversation.created_at
    message = Message(
        conversation=conversation,
        parent=parent,
        role=place.role,
        text=_joined(node.text for node in place.nodes),
        thinking=_joined(node.thinking for node in place.nodes),
        created_at=begun,
        saved_at=max([begun, *times]),
    )
    if place.role == Role.ASSISTANT:
        message.model = next((node.model for node in place.nodes[::-1] if node.model), "")
        message.thinking_seconds = sum(node.thinking_seconds or 0 for node in place.nodes) or None
    return message


def _joined(texts: Iterable[str]) -> str:
    return "\n\n".join(text for text in texts if text.strip())
