"""The full-text index in the database: SQLite's FTS5, or PostgreSQL's own. Triggers keep it (migration 0004).

An answer gets into it as its reply ends, not with each checkpoint. Both know words without case and accents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from django.db import connection
from django.db.models.expressions import RawSQL

from chat.search.phrases import Phrase


@dataclass(frozen=True, slots=True)
class Index:
    """`messages` and `titles` name their parameters: query, owner, limit. The best come first.

    Those `everywhere` are anybody's, in no order; they take nothing but the query, as often as it stands in them.
    """

    messages: str
    titles: str
    messages_everywhere: str
    conversations_everywhere: str
    query_of: Callable[[Sequence[Phrase]], str]


def find_messages(owner: int, phrases: Sequence[Phrase], limit: int) -> list[tuple[int, UUID]]:
    """Messages with their conversations; what only the thinking says ranks lower."""
    index = _index()
    rows = _rows(index.messages, index.query_of(phrases), owner, limit)
    return [(cast(int, key), _uuid(conversation)) for key, conversation in rows]


def find_titles(owner: int, phrases: Sequence[Phrase], limit: int) -> list[UUID]:
    index = _index()
    return [_uuid(row[0]) for row in _rows(index.titles, index.query_of(phrases), owner, limit)]


def messages_everywhere(phrases: Sequence[Phrase]) -> RawSQL:
    """The keys of all messages in which they are found, for a filter."""
    index = _index()
    return RawSQL(index.messages_everywhere, [index.query_of(phrases)])  # noqa: S611 (a constant; the words are a parameter)


def conversations_everywhere(phrases: Sequence[Phrase]) -> RawSQL:
    """The keys of all conversations that have them in one message, or in the title; for a filter."""
    index = _index()
    return RawSQL(index.conversations_everywhere, [index.query_of(phrases)] * 2)  # noqa: S611 (the same)


def _rows(statement: str, query: str, owner: int, limit: int) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"query": query, "owner": owner, "limit": limit})
        return list(cursor.fetchall())


def _uuid(value: object) -> UUID:
    """SQLite has no type of its own for it."""
    return value if isinstance(value, UUID) else UUID(str(value))


def _index() -> Index:
    return POSTGRESQL if connection.vendor == "postgresql" else SQLITE


def _for_sqlite(phrases: Sequence[Phrase]) -> str:
    """FTS5's language, of quoted words alone."""
    return " ".join(f'"{" ".join(phrase.words)}"' + ("*" if phrase.is_prefix else "") for phrase in phrases)


def _for_postgresql(phrases: Sequence[Phrase]) -> str:
    """The language of to_tsquery, of quoted words alone."""
    wanted = []
    for phrase in phrases:
        words = [f"'{word}'" for word in phrase.words]
        words[-1] += ":*" if phrase.is_prefix else ""
        wanted.append("(" + " <-> ".join(words) + ")")
    return " & ".join(wanted)


# Of words that are everywhere the newest messages alone are ranked: to rank 50,000 takes a tenth of a second.
SQLITE = Index(
    messages="""
        SELECT id, conversation FROM (
            SELECT
                found.rowid AS id,
                found.conversation AS conversation,
                bm25(chat_message_search, 0.0, 1.0, 0.2) AS rank
            FROM chat_message_search found CROSS JOIN chat_conversation c ON c.id = found.conversation
            WHERE chat_message_search MATCH '{text thinking}: (' || %(query)s || ')'
                AND c.owner_id = %(owner)s AND c.deleted_at IS NULL
            ORDER BY found.rowid DESC LIMIT 3000
        ) ORDER BY rank, id DESC LIMIT %(limit)s
    """,
    titles="""
        SELECT found.conversation
        FROM chat_title_search found JOIN chat_conversation c ON c.id = found.conversation
        WHERE chat_title_search MATCH '{title}: (' || %(query)s || ')'
            AND c.owner_id = %(owner)s AND c.deleted_at IS NULL
        ORDER BY c.updated_at DESC LIMIT %(limit)s
    """,
    messages_everywhere="""
        SELECT rowid FROM chat_message_search WHERE chat_message_search MATCH '{text thinking}: (' || %s || ')'
    """,
    conversations_everywhere="""
        SELECT conversation FROM chat_message_search WHERE chat_message_search MATCH '{text thinking}: (' || %s || ')'
        UNION
        SELECT conversation FROM chat_title_search WHERE chat_title_search MATCH '{title}: (' || %s || ')'
    """,
    query_of=_for_sqlite,
)

# What is found is found once, before anything else: without that a table that has just grown gets plans of seconds.
POSTGRESQL = Index(
    messages="""
        WITH found AS MATERIALIZED (
            SELECT id, conversation_id,
                ts_rank('{0.2, 0.2, 0.2, 1.0}', search, to_tsquery('simple', %(query)s)) AS rank
            FROM chat_message WHERE search @@ to_tsquery('simple', %(query)s)
        )
        SELECT found.id, found.conversation_id
        FROM found JOIN chat_conversation c ON c.id = found.conversation_id
        WHERE c.owner_id = %(owner)s AND c.deleted_at IS NULL
        ORDER BY found.rank DESC, found.id DESC LIMIT %(limit)s
    """,
    titles="""
        SELECT c.id FROM chat_conversation c
        WHERE c.search @@ to_tsquery('simple', %(query)s)
            AND c.owner_id = %(owner)s AND c.deleted_at IS NULL
        ORDER BY c.updated_at DESC LIMIT %(limit)s
    """,
    messages_everywhere="SELECT id FROM chat_message WHERE search @@ to_tsquery('simple', %s)",
    conversations_everywhere="""
        SELECT conversation_id FROM chat_message WHERE search @@ to_tsquery('simple', %s)
        UNION
        SELECT id FROM chat_conversation WHERE search @@ to_tsquery('simple', %s)
    """,
    query_of=_for_postgresql,
)
