"""How everybody gets in, whichever way they came."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

PREVIOUS = "previous_login"


def enter(request: HttpRequest, user: User, backend: str | None = None) -> None:
    """Begin a session of theirs, with a new key; it knows when they came the last time."""
    previous = user.last_login
    login(request, user, backend)
    if previous:
        request.session[PREVIOUS] = previous.isoformat()


def previous_login(session: SessionBase) -> datetime | None:
    """When the person logged in before this session."""
    told = session.get(PREVIOUS)
    return datetime.fromisoformat(told) if told else None
