"""What is kept: conversations with their messages, what people think of answers, how they like the site;
what reviewers noted, and who was invited.
"""

from __future__ import annotations

from chat.models.conversation import TITLE_CHARACTERS, Conversation, ConversationQuerySet
from chat.models.effort import EffortChoice
from chat.models.feedback import Feedback
from chat.models.invitation import Invitation
from chat.models.message import Message, MessageQuerySet, Role, Status, TokenIdsField
from chat.models.preferences import Preferences, Preset
from chat.models.review import AuditEntry, Flag, Look, Review, ReviewNote

__all__ = [
    "TITLE_CHARACTERS",
    "AuditEntry",
    "Conversation",
    "ConversationQuerySet",
    "EffortChoice",
    "Feedback",
    "Flag",
    "Invitation",
    "Look",
    "Message",
    "MessageQuerySet",
    "Preferences",
    "Preset",
    "Review",
    "ReviewNote",
    "Role",
    "Status",
    "TokenIdsField",
]
