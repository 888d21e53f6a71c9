"""What is kept: conversations with their messages, what people think of answers, and how they like the site."""

from __future__ import annotations

from chat.models.conversation import TITLE_CHARACTERS, Conversation, ConversationQuerySet
from chat.models.effort import EffortChoice
from chat.models.feedback import Feedback
from chat.models.message import Message, MessageQuerySet, Role, Status, TokenIdsField
from chat.models.preferences import Preferences, Preset

__all__ = [
    "TITLE_CHARACTERS",
    "Conversation",
    "ConversationQuerySet",
    "EffortChoice",
    "Feedback",
    "Message",
    "MessageQuerySet",
    "Preferences",
    "Preset",
    "Role",
    "Status",
    "TokenIdsField",
]
