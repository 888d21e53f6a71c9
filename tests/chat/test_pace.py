"""What pages do now and then for all, however many of them ask."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from chat import pace, recovery, trash
from chat.models import Conversation, Message, Role, Status


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock says; a page has just looked."""
    now = [time.monotonic() + 1000]
    monkeypatch.setattr("chat.pace.time.monotonic", lambda: now[0])
    monkeypatch.setattr(pace, "SECONDS", 1.0)
    monkeypatch.setattr(recovery, "_pace", pace.Pace())
    monkeypatch.setattr(trash, "_pace", pace.Pace())
    return now


def test_pages_in_the_same_second_look_once(
    db: None, clock: list[float], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):
        for _ in range(3):
            recovery.mark_abandoned()
            trash.expunge()
    clock[0] += 1.0
    with django_assert_num_queries(2):
        recovery.mark_abandoned()
        trash.expunge()


def test_what_was_passed_over_is_done_a_second_later(ann: User, clock: list[float]) -> None:
    recovery.mark_abandoned()
    trash.expunge()
    long_ago = timezone.now() - timedelta(hours=1)
    left = ann.conversations.create().messages.create(
        role=Role.ASSISTANT, status=Status.STREAMING, text="So far", saved_at=long_ago
    )
    deleted = ann.conversations.create(deleted_at=long_ago)
    clock[0] += 1.0
    recovery.mark_abandoned()
    trash.expunge()
    assert Message.objects.get(pk=left.pk).status == Status.INTERRUPTED
    assert not Conversation.objects.filter(pk=deleted.pk).exists()


def test_a_start_looks_whoever_has_looked(ann: User, settings: Settings) -> None:
    settings.REDIS_URL = ""  # of one process, with which all its answers have ended
    recovery.mark_abandoned()
    left = ann.conversations.create().messages.create(role=Role.ASSISTANT, status=Status.STREAMING)
    recovery.recover_at_start()
    assert Message.objects.get(pk=left.pk).status == Status.INTERRUPTED
