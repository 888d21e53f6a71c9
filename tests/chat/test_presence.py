"""Open pages close once their people may not see them any more, whatever ended that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import presence
from chat.models import Conversation, Status
from tests.chat.conftest import PASSWORD
from tests.chat.open_page import Page, answer_of, page_of
from tests.scripted_server import ScriptedServer, reply

pytestmark = pytest.mark.django_db(transaction=True)

NOT_LOGGED_IN = 4401


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "LOOK_SECONDS", 0.02)


async def is_open(page: Page) -> bool:
    """A page that is closed already answers nothing."""
    await page.act("nonsense")
    return bool(await page.until('id="alert"'))


async def test_disabling_closes_all_pages_of_a_person_and_no_others(
    scripted: ScriptedServer, ann: User, bob: User, conversation: Conversation
) -> None:
    of_bob = await Conversation.objects.acreate(owner=bob)
    async with page_of(ann, conversation) as one, page_of(ann, conversation) as two, page_of(bob, of_bob) as third:
        await User.objects.filter(pk=ann.pk).aupdate(is_active=False)
        assert await one.closed() == await two.closed() == NOT_LOGGED_IN
        assert await is_open(third)
    assert not presence.presence._pages
    assert presence.presence._watch is None


async def test_a_reply_goes_on_unseen_to_its_saved_end(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    hold = threading.Event()
    scripted.enqueue(reply("", "Nobody sees the end."), hold=hold)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until('data-status="streaming"')
        await User.objects.filter(pk=ann.pk).aupdate(is_active=False)
        assert await page.closed() == NOT_LOGGED_IN
        hold.set()
        while (await answer_of(conversation)).status == Status.STREAMING:
            assert await page.socket.receive_nothing(timeout=0.02)
    assert (await answer_of(conversation)).text == "Nobody sees the end."


def by_a_new_password(ann: User) -> None:
    client = Client()
    client.force_login(ann)
    new = "another-horse-8"
    data = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/accounts/password/", data).status_code == 302
    assert client.get("/settings/").status_code == 200, "who changed it stays"


def by_a_password_from_the_shell(ann: User) -> None:
    ann.set_password("another-horse-8")
    ann.save()


def by_an_expired_session(ann: User) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def by_a_log_out(ann: User) -> None:
    client = Client()
    client.cookies["sessionid"] = Session.objects.get().session_key
    client.post("/accounts/logout/")


def by_deleting_the_account(ann: User) -> None:
    ann.delete()


@pytest.mark.parametrize(
    "end",
    [by_a_new_password, by_a_password_from_the_shell, by_an_expired_session, by_a_log_out, by_deleting_the_account],
)
async def test_everything_that_ends_a_session_closes_its_pages(
    end: Callable[[User], None], scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page:
        await database_sync_to_async(end)(ann)
        assert await page.closed() == NOT_LOGGED_IN


async def test_logging_out_leaves_the_other_sessions_pages(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as here, page_of(ann, conversation) as there:
        session = there.socket.scope["session"]  # type: ignore[typeddict-item]
        await Session.objects.filter(pk=session.session_key).adelete()
        assert await there.closed() == NOT_LOGGED_IN
        assert await is_open(here)


async def test_a_failing_database_closes_nothing(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    async def failing(visits: object) -> set[presence.Visit]:
        failed.set()
        raise DatabaseError("away")

    async with page_of(ann, conversation) as page:
        with monkeypatch.context() as patch:
            patch.setattr(presence, "lasting", failing)
            assert await database_sync_to_async(failed.wait)(10)
        assert await is_open(page)
        await User.objects.filter(pk=ann.pk).aupdate(is_active=False)
        assert await page.closed() == NOT_LOGGED_IN


def test_a_look_costs_two_queries_for_any_number_of_pages(ann: User, bob: User) -> None:
    client, visits = Client(), []
    for user in (ann, bob, ann, bob):
        client = Client()
        client.force_login(user)
        visits.append(presence.Visit.of(user, str(client.session.session_key)))
    with CaptureQueriesContext(connection) as queries:
        assert presence.lasting.func(visits) == set(visits)  # type: ignore[attr-defined]  # without its thread
    assert len(queries) == 2
