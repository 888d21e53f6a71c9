"""Full-text search through one person's conversations: titles, prompts, answers, thinking.

Words may stand anywhere in a message, in any order; words in quotes stand together; of the last word the
beginning is enough. Any text is a query.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection

from chat.models import Conversation, Message, Role
from chat.search import index
from chat.search.excerpts import Piece, excerpt, highlighted, is_found
from chat.search.phrases import Phrase, phrases_of

HITS = 30
TITLES = 10
"""At most so many hits are titles."""
HITS_OF_A_CONVERSATION = 3
CANDIDATES = 2000

SHOWN = """
    WITH RECURSIVE shown(id) AS (
        SELECT leaf_id FROM chat_conversation WHERE id IN ({conversations})
        UNION
        SELECT m.parent_id FROM chat_message m JOIN shown ON m.id = shown.id WHERE m.parent_id IS NOT NULL
    ) SELECT id FROM shown WHERE id IN ({messages})
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """Where something was found: in a title (then there is no message), a prompt, an answer or its thinking."""

    conversation: Conversation
    message: Message | None
    part: str
    title: Sequence[Piece]
    excerpt: Sequence[Piece]
    is_shown: bool = True
    """Whether the message is in the version of the conversation that the page shows."""

    @property
    def url(self) -> str:
        url = self.conversation.get_absolute_url()
        return f"{url}?from={self.message.pk}#message-{self.message.pk}" if self.message else url

    @property
    def date(self) -> datetime:
        return self.message.created_at if self.message else self.conversation.updated_at


def search(user: AbstractBaseUser, query: str) -> list[Hit]:
    """The best hits, titles first; one more than HITS when there are more than those."""
    phrases = phrases_of(query)
    if not phrases:
        return []
    titles = _in_titles(user, phrases)
    return titles + _in_messages(user, phrases, HITS + 1 - len(titles))


def _in_titles(user: AbstractBaseUser, phrases: Sequence[Phrase]) -> list[Hit]:
    keys = index.find_titles(user.pk, phrases, TITLES)
    found = Conversation.objects.for_user(user).started().in_bulk(keys)
    conversations = [found[key] for key in keys if key in found]
    return [Hit(each, None, "title", highlighted(each.title, phrases), []) for each in conversations]


def _in_messages(user: AbstractBaseUser, phrases: Sequence[Phrase], limit: int) -> list[Hit]:
    keys = _spread(index.find_messages(user.pk, phrases, CANDIDATES))[:limit]
    messages = _load(keys)
    shown = _shown(messages)
    return [_hit(message, phrases, is_shown=message.pk in shown) for message in messages]


def _spread(found: Iterable[tuple[int, UUID]]) -> list[int]:
    """Not more than a few of one conversation, or one talkative one would fill the list."""
    seen: Counter[UUID] = Counter()
    keys = []
    for key, conversation in found:
        seen[conversation] += 1
        if seen[conversation] <= HITS_OF_A_CONVERSATION:
            keys.append(key)
    return keys


def _load(keys: Sequence[int]) -> list[Message]:
    fields = ("role", "text", "thinking", "created_at", "conversation")
    found = Message.objects.select_related("conversation").only(*fields, *_conversation_fields()).in_bulk(keys)
    return [found[key] for key in keys if key in found]


def _conversation_fields() -> list[str]:
    return [f"conversation__{name}" for name in ("title", "is_archived", "updated_at", "owner")]


def _hit(message: Message, phrases: Sequence[Phrase], *, is_shown: bool) -> Hit:
    is_thinking = not is_found(message.text, phrases) and is_found(message.thinking, phrases)
    spoken = "prompt" if message.role == Role.USER else "answer"
    title = highlighted(str(message.conversation), phrases)
    text = message.thinking if is_thinking else message.text
    part = "thinking" if is_thinking else spoken
    return Hit(message.conversation, message, part, title, excerpt(text, phrases), is_shown)


def _shown(messages: Sequence[Message]) -> set[int]:
    """The keys of those that are on the shown path of their conversation."""
    if not messages:
        return set()
    conversations = list({Conversation._meta.pk.get_db_prep_value(m.conversation_id, connection) for m in messages})
    keys = [message.pk for message in messages]
    marks = {"conversations": _marks(conversations), "messages": _marks(keys)}
    with connection.cursor() as cursor:
        cursor.execute(SHOWN.format(**marks), [*conversations, *keys])
        return {key for (key,) in cursor.fetchall()}


def _marks(values: Sequence[object]) -> str:
    return ", ".join(["%s"] * len(values))
