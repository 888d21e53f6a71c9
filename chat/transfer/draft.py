"""A conversation as a file tells it: rows that are not saved yet."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from chat import turns
from chat.models import Conversation, Feedback, Message, Role
from chat.transfer import values

MAX_MESSAGES = 10_000
MAX_CHARACTERS = 32_000_000
"""In one conversation, its file's own signs and ids included."""

NAMESPACE = uuid.UUID("5b3f6c0e-7f0e-4f43-9a25-6d8f4f0a1c6e")


@dataclass(slots=True)
class Draft:
    """`messages`: parents before their children, siblings from the oldest on.

    `source` and `source_id` name the conversation where it comes from, `own_id` where that is a LocalAI.
    """

    conversation: Conversation
    messages: Sequence[Message]
    leaf: Message | None
    source: str
    source_id: str
    own_id: uuid.UUID | None = None
    feedback: Sequence[Feedback] = field(default_factory=list)

    def ids(self, owner_id: int) -> list[uuid.UUID]:
        """Under which ids it may be kept for this person, the best first: the same file gives the same."""
        derived = uuid.uuid5(NAMESPACE, f"{owner_id}/{self.source}/{values.text(self.source_id)}")
        return [self.own_id, derived] if self.own_id else [derived]

    def name(self) -> None:
        """Give the conversation a title if the file has none."""
        prompts = (message.text for message in self.messages if message.role == Role.USER)
        self.conversation.title = self.conversation.title or turns.title_of(next(prompts, ""))
