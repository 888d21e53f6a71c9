"""Responses that their owners asked to store: the newest few of each person, for a while."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from channels.db import database_sync_to_async
from django.db import DatabaseError, transaction
from django.utils import timezone

from inference.api.errors import SERVER, ApiError, NotFoundError
from inference.api.responses.output import Fields
from inference.api.responses.schemas import ITEMS, AnyItem
from inference.models import StoredResponse

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

MOST = 100
LONGEST = timedelta(days=30)

_ID = re.compile(r"resp_[0-9a-f]{32}")
"""Nothing else is looked for: PostgreSQL fails on a text with a NUL."""

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""In JSON's spelling, which PostgreSQL does not take."""


async def stored(user: User, response_id: str) -> StoredResponse:
    """Raises NotFoundError also for somebody else's, and for one that was stored too long ago."""
    if found := await _find(user, response_id):
        return found
    raise NotFoundError(f"{_unknown(response_id)} It may have been deleted, or stored too long ago.")


async def items_before(user: User, response_id: str | None) -> list[AnyItem]:
    """What led to that response, and its output; raises NotFoundError."""
    if response_id is None:
        return []
    if found := await _find(user, response_id):
        return ITEMS.validate_python(found.items)
    message = f"{_unknown(response_id)} Send the conversation as input instead."
    raise NotFoundError(message, code="previous_response_not_found", param="previous_response_id")


async def keep(user_id: int, response: Fields, items: Sequence[AnyItem]) -> None:
    """Store the response, with the items that led to it, in place of older ones. Raises ApiError."""
    try:
        await database_sync_to_async(_keep)(user_id, response, items)
    except DatabaseError as error:
        logger.exception("A response could not be stored.")
        message = "The response could not be stored; the server's log tells more. Send store: false to do without."
        raise ApiError(500, message, code="not_stored", type=SERVER) from error


async def delete(user: User, response_id: str) -> None:
    await (await stored(user, response_id)).adelete()


async def _find(user: User, response_id: str) -> StoredResponse | None:
    if not _ID.fullmatch(response_id):
        return None
    newer = StoredResponse.objects.for_user(user).filter(created_at__gt=timezone.now() - LONGEST)
    return await newer.filter(pk=response_id).afirst()


def _unknown(response_id: str) -> str:
    return f"There is no stored response {response_id!r}."


@transaction.atomic
def _keep(user_id: int, response: Fields, items: Sequence[AnyItem]) -> None:
    told = _storable([item.model_dump(exclude_none=True) for item in items])
    StoredResponse.objects.create(pk=str(response["id"]), user_id=user_id, body=_storable(response), items=told)
    StoredResponse.objects.filter(created_at__lte=timezone.now() - LONGEST).delete()
    newest = StoredResponse.objects.filter(user_id=user_id).order_by("-created_at", "-pk")
    StoredResponse.objects.filter(pk__in=list(newest.values_list("pk", flat=True)[MOST:])).delete()


def _storable(value: object) -> object:
    return json.loads(_NUL.sub(r"\1\\ufffd", json.dumps(value)))
