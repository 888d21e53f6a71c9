"""What reviewers take with them: the selected conversations as JSON lines, sent as they are written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from channels.db import database_sync_to_async
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header

from chat.models import Conversation, Look
from chat.review import audit, export


def response(
    request: HttpRequest, conversations: QuerySet[Conversation], form: str, record: export.Writer
) -> StreamingHttpResponse:
    """Exactly those that the log tells of, before anything is sent."""
    keys = list(conversations.values_list("pk", flat=True))
    audit.record_keys(request.user, Look.EXPORTED, keys, form)
    name = f"conversations-{form}-{timezone.localdate().isoformat()}.jsonl"
    headers = {"Content-Disposition": str(content_disposition_header(True, name))}
    lines = _asynchronous(export.lines(keys, record))
    return StreamingHttpResponse(lines, content_type="application/jsonl", headers=headers)


async def _asynchronous(pieces: Iterator[str]) -> AsyncIterator[str]:
    """Each is made when the one before is sent."""
    while (piece := await database_sync_to_async(_next)(pieces)) is not None:
        yield piece


def _next(pieces: Iterator[str]) -> str | None:
    return next(pieces, None)
