"""One id for all that a request causes, from the page to the engine: every log line and every engine request has it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Empty outside of any request."""
    return _current.get()


def current_or_new() -> str:
    return _current.get() or new()


def new() -> str:
    return uuid.uuid4().hex[:16]


def accepted(asked: str) -> str:
    """The id that somebody asked for, if it may stand in a log, else a new one."""
    return asked if VALID.fullmatch(asked) else new()


def begin(request_id: str) -> None:
    """From now on all of this task belongs to that request."""
    _current.set(request_id)


@contextmanager
def step(number: int) -> Iterator[None]:
    """One of the things that are asked for over a connection: `<the connection's id>.<number>`."""
    token = _current.set(f"{current_or_new()}.{number}")
    try:
        yield
    finally:
        _current.reset(token)
