"""No statement of the site may keep the database busy without an end. Commands, such as a migration, may."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.backends.utils import CursorWrapper

STEPS = 100_000
"""Of SQLite's machine, some milliseconds' worth, after which it asks whether to go on."""
IDLE_SECONDS = 1.0
"""A longer time between two questions was none of SQLite's: rows are read one by one, by whoever wants them."""


def bound() -> None:
    """All connections that this process opens from now on."""
    connection_created.connect(_bound, dispatch_uid="statements")


def _bound(connection: BaseDatabaseWrapper, **_facts: object) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = '{settings.MAX_STATEMENT_SECONDS}s'")
    elif connection.vendor == "sqlite":
        Clock(settings.MAX_STATEMENT_SECONDS).watch(connection)


class Clock:
    """How long SQLite has worked at the statement that one connection runs."""

    def __init__(self, most_seconds: float) -> None:
        self._most_seconds = most_seconds
        self._spent = self._asked = 0.0

    def watch(self, connection: BaseDatabaseWrapper) -> None:
        connection.connection.set_progress_handler(self._is_over, STEPS)
        connection.execute_wrappers[:] = [*(each for each in connection.execute_wrappers if not _is_clock(each)), self]

    def __call__(
        self,
        execute: Callable[..., object],
        sql: str,
        parameters: object,
        many: bool,
        context: dict[str, CursorWrapper],
    ) -> object:
        self._spent, self._asked = 0.0, time.monotonic()
        return execute(sql, parameters, many, context)

    def _is_over(self) -> bool:
        """SQLite ends the statement, with an OperationalError, when this says so."""
        asked, self._asked = self._asked, time.monotonic()
        if self._asked - asked < IDLE_SECONDS:
            self._spent += self._asked - asked
        return self._spent > self._most_seconds


def _is_clock(wrapper: object) -> bool:
    return isinstance(wrapper, Clock)
