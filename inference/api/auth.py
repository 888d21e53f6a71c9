"""Who asks: the person of an API key, or of the browser's session."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone

from inference.api.errors import ApiError, UnauthorizedError
from inference.api.rate import rate
from inference.models import ApiKey

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

NOTE_USE_EVERY = timedelta(minutes=1)

HOW_TO_GET_A_KEY = "Create a key on this site under Settings, API keys."

LOOKED_UP_AT_ONCE = 2

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
_tasks: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, slots=True)
class Credentials:
    """`key_id` is None for a browser's session."""

    user: User
    key_id: int | None = None


async def authenticate(request: HttpRequest) -> Credentials:
    """Raise ApiError 401 for nobody, 429 for who asks too often, 403 for a session without the CSRF token it needs.

    Whoever sends an Authorization header is judged by it alone. The view must be csrf_exempt.
    """
    if "Authorization" in request.headers:
        key = await _key(request.headers["Authorization"])
        rate.count(f"key {key.pk}")
        _note_use(key)
        return Credentials(key.user, key.pk)
    user = await request.auser()
    if not user.is_authenticated:
        raise UnauthorizedError(f"Send an API key as “Authorization: Bearer <key>”. {HOW_TO_GET_A_KEY}")
    _check_csrf(request)
    rate.count(f"session of {user.pk}")
    return Credentials(user)


async def _key(header: str) -> ApiKey:
    scheme, _, secret = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise UnauthorizedError(f"The Authorization header must be “Bearer <key>”. {HOW_TO_GET_A_KEY}")
    async with _turn():
        key = await ApiKey.objects.usable().with_secret(secret.strip()).select_related("user").afirst()
    if key is None:
        raise UnauthorizedError(f"This API key is wrong, revoked or expired, or its account closed. {HOW_TO_GET_A_KEY}")
    return key


def _turn() -> asyncio.Semaphore:
    """Many who come at once are let in a few at a time: else the first would wait until all were looked up."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(LOOKED_UP_AT_ONCE))


def _note_use(key: ApiKey) -> None:
    """Not often, and beside the request, which does not wait for a database that is busy writing."""
    now = timezone.now()
    if key.last_used_at is not None and now - key.last_used_at < NOTE_USE_EVERY:
        return
    coroutine = database_sync_to_async(_write_use)(key.pk)
    task = asyncio.get_running_loop().create_task(coroutine, context=contextvars.Context())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def _write_use(pk: int) -> None:
    now = timezone.now()
    is_due = Q(last_used_at=None) | Q(last_used_at__lte=now - NOTE_USE_EVERY)
    try:
        ApiKey.objects.filter(is_due, pk=pk).update(last_used_at=now)
    except Exception:  # the database's fault
        logger.exception("The use of an API key could not be noted.")


class _CsrfCheck(CsrfViewMiddleware):
    """Django's own check, which answers as the API does instead of with a page."""

    def _reject(self, request: HttpRequest, reason: str) -> NoReturn:
        raise ApiError(
            403,
            f"{reason} A browser's session must send the csrftoken cookie's value as X-CSRFToken, too; "
            "other programs use an API key.",
            code="csrf_failed",
        )


def _check_csrf(request: HttpRequest) -> None:
    if request.method in ("GET", "HEAD", "OPTIONS", "TRACE"):
        return
    unread = copy(request)
    unread.method = "PUT"  # of a POST, Django would read the body to look for a form's token
    _CsrfCheck(HttpResponse).process_view(unread, HttpResponse, (), {})
