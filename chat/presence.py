"""Whose pages are open in this process, and whether they still may be: asked for all of them together.

The database is asked, so it does not matter where somebody logged out, was disabled, or got another password:
here, in another process, or in a shell.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from channels.db import database_sync_to_async
from django.contrib.auth.models import AbstractBaseUser, User
from django.contrib.sessions.models import Session
from django.utils import timezone

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Visit:
    """By what somebody was let in. `stamp` changes with the password."""

    session_key: str
    user: int
    stamp: str

    @classmethod
    def of(cls, user: AbstractBaseUser, session_key: str) -> Visit:
        return cls(session_key, user.pk, user.get_session_auth_hash())


@database_sync_to_async
def lasting(visits: Iterable[Visit]) -> set[Visit]:
    """Those whose session lasts and whose person may log in, with the same password. Two queries for any number."""
    visits = set(visits)
    people = User.objects.filter(pk__in={visit.user for visit in visits}, is_active=True).only("password")
    stamps = {person.pk: person.get_session_auth_hash() for person in people}
    sessions = Session.objects.filter(expire_date__gt=timezone.now())
    keys = set(sessions.filter(pk__in={visit.session_key for visit in visits}).values_list("session_key", flat=True))
    return {visit for visit in visits if visit.session_key in keys and stamps.get(visit.user) == visit.stamp}


class Presence:
    """Dismisses the pages of people who may not see them any more, about LOOK_SECONDS later."""

    def __init__(self) -> None:
        self._pages: dict[str, tuple[Visit, Callable[[], Awaitable[None]]]] = {}
        self._watch: asyncio.Task[None] | None = None

    def enter(self, page: str, visit: Visit, dismiss: Callable[[], Awaitable[None]]) -> None:
        """From now on `dismiss` is called once the visit does not last; `page` is any name of its own."""
        self._pages[page] = visit, dismiss
        if self._watch is None:
            self._watch = asyncio.create_task(self._look_regularly())

    def pages_of(self, user: int) -> int:
        """How many of theirs are open in this process."""
        return sum(visit.user == user for visit, _ in self._pages.values())

    def leave(self, page: str) -> None:
        """Harmless for one that never entered."""
        self._pages.pop(page, None)
        if self._watch and not self._pages:
            self._watch.cancel()
            self._watch = None

    async def _look_regularly(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except Exception:  # the database's fault; the next look tells
                logger.exception("Who may still see their pages could not be looked up.")

    async def _look(self) -> None:
        pages = dict(self._pages)
        visits = await lasting(visit for visit, _ in pages.values())
        for visit, dismiss in pages.values():
            if visit not in visits:
                await dismiss()


presence = Presence()
