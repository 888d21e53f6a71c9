"""The cast, made once for all tests of a module; what a test does is undone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from inference.supervisor import Supervisor
from tests.access.cast import QUICK_HASHERS, Cast, make_cast


@pytest.fixture(scope="module")
def cast(django_db_setup: None, django_db_blocker: DjangoDbBlocker, static_files: None) -> Iterator[Cast]:
    with django_db_blocker.unblock(), override_settings(PASSWORD_HASHERS=QUICK_HASHERS), transaction.atomic():
        yield make_cast()
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders are heard, but nothing starts."""
    for order in ("start_in_background", "restart", "retry", "stop"):
        monkeypatch.setattr(Supervisor, order, lambda *_, **__: None)
