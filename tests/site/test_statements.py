"""A statement that never ends is ended; one whose rows are read slowly is not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import environ
import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker, Settings

from localai_site import statements
from tests.services import PostgreSQLServer

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
SOME = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300000) SELECT i FROM n"


@pytest.fixture
def bounded(settings: Settings, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    settings.MAX_STATEMENT_SECONDS = 1
    statements.bound()
    with django_db_blocker.unblock():
        yield
    connection_created.disconnect(dispatch_uid="statements")


def opened(address: str) -> BaseDatabaseWrapper:
    return ConnectionHandler({"default": environ.Env.db_url_config(address)})["default"]


def end_and_go_on(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        for _time in range(2):
            with pytest.raises(OperationalError, match=r"interrupt|statement timeout"):
                cursor.execute(ENDLESS)
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_sqlite_ends_what_does_not_end(bounded: None, tmp_path: Path) -> None:
    connection = opened(f"sqlite:///{tmp_path}/db.sqlite3")
    end_and_go_on(connection)
    connection.close()


def test_who_reads_slowly_is_not_ended(bounded: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(statements, "STEPS", 1000)
    connection = opened(f"sqlite:///{tmp_path}/db.sqlite3")
    with connection.cursor() as cursor:
        cursor.execute(SOME)
        rows = 0
        for _time in range(6):
            time.sleep(0.3)
            rows += len(cursor.fetchmany(50_000))
    assert rows == 300_000
    connection.close()


def test_postgresql_ends_what_does_not_end(bounded: None, tmp_path: Path) -> None:
    server = PostgreSQLServer(tmp_path)
    server.start()
    try:
        connection = opened(server.url)
        end_and_go_on(connection)
        connection.close()
    finally:
        server.stop()
