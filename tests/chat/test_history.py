from __future__ import annotations

import asyncio
import re
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from chat import recovery, sidebar, trash
from chat.consumers import NOT_FOUND
from chat.models import Conversation, Message, Role, Status
from chat.sidebar import PAGE_CONVERSATIONS, Place
from tests.chat.open_page import answer_of, page_of
from tests.document import Element, parsed, swap
from tests.scripted_server import ScriptedServer, reply

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse

HTMX = {"HX-Request": "true"}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def talk(owner: User, title: str = "Sums", **values: object) -> Conversation:
    conversation = Conversation.objects.create(owner=owner, title=title, **values)
    conversation.leaf = conversation.messages.create(role=Role.USER, text=title)
    conversation.save()
    return conversation


@pytest.fixture
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)


def on(conversation: Conversation) -> dict[str, str]:
    """What htmx sends from this conversation's page."""
    return {**HTMX, "HX-Current-URL": f"http://testserver{conversation.get_absolute_url()}"}


def post(
    client: Client, name: str, conversation: Conversation, headers: dict[str, str] | None = None, **data: str
) -> _MonkeyPatchedWSGIResponse:
    return client.post(reverse(f"chat:conversation-{name}", args=[conversation.pk]), data, headers=headers or {})


def groups(user: User, current: Conversation | None = None) -> dict[str, list[str]]:
    context = sidebar.context(user, current)
    found = context["groups"]
    assert isinstance(found, list)
    return {group.title: [str(each) for each in group.conversations] for group in found if group.conversations}


@pytest.mark.usefixtures("at_noon")
def test_the_list_is_grouped_by_day_newest_first(ann: User) -> None:
    for days, title in [(0, "a"), (0, "b"), (1, "c"), (2, "d"), (7, "e"), (8, "f"), (30, "g"), (330, "h"), (-2, "i")]:
        talk(ann, title, updated_at=NOW - timedelta(days=days, seconds=ord(title)))
    talk(ann, "p", updated_at=NOW - timedelta(days=400), is_pinned=True)
    talk(ann, "z", is_archived=True)
    assert groups(ann) == {
        "Pinned": ["p"],
        "Today": ["i", "a", "b"],
        "Yesterday": ["c"],
        "Previous 7 days": ["d", "e"],
        "November": ["f"],
        "October": ["g"],
        "December 2025": ["h"],
    }


@pytest.mark.usefixtures("at_noon")
def test_days_are_those_of_the_time_zone(ann: User) -> None:
    talk(ann, "late", updated_at=datetime(2026, 11, 21, 23, 30, tzinfo=UTC))
    assert groups(ann) == {"Yesterday": ["late"]}
    with timezone.override("Europe/Berlin"):
        assert groups(ann) == {"Today": ["late"]}


def test_older_ones_come_a_page_at_a_time_without_gap_or_double(client: Client, ann: User) -> None:
    moment = timezone.now() - timedelta(days=3)
    for number in range(2 * PAGE_CONVERSATIONS + 5):
        talk(ann, f"talk {number}", updated_at=moment - timedelta(hours=number // 2))
    newest = Conversation.objects.order_by("-updated_at", "-pk").first()
    assert newest
    client.force_login(ann)
    html = client.get(newest.get_absolute_url()).content.decode()
    pages = [html]
    while older := re.search(r'hx-get="(/older/[^"]+)"', pages[-1]):
        pages.append(client.get(older[1], headers=HTMX).content.decode())
    titles = [re.findall(r">(talk \d+)</a>", page) for page in pages]
    assert [len(page) for page in titles] == [PAGE_CONVERSATIONS, PAGE_CONVERSATIONS, 5]
    assert len({title for page in titles for title in page}) == 2 * PAGE_CONVERSATIONS + 5
    assert sum(page.count("Previous 7 days") for page in pages) == 1
    plain = re.search(r'<a href="(/older/[^"]+)"', html)
    assert plain
    page = client.get(plain[1]).content.decode()
    assert set(titles[1]) <= set(re.findall(r">(talk \d+)</a>", page))
    assert 'id="conversation-list"' in page


def test_a_place_in_the_list_is_read_back_exactly(ann: User) -> None:
    conversation = talk(ann)
    place = Place(conversation.updated_at, conversation.pk)
    assert Place.read(str(place)) == place


@pytest.mark.parametrize("text", ["x", "1-2", "9" * 16, f"{'9' * 16}-{'a' * 32}x", f"-1-{'a' * 32}", f"١-{'a' * 32}"])
def test_what_is_no_place_is_not_there(client: Client, ann: User, text: str) -> None:
    client.force_login(ann)
    assert client.get(f"/older/{text}/").status_code == 404
    assert client.get(f"/older/{'9' * 16}-{'a' * 32}/").status_code == 200


def test_the_list_takes_few_queries(ann: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(40):
        talk(ann, f"talk {number}", is_pinned=number < 5)
    with django_assert_num_queries(4):
        groups(ann)


def test_nobody_else_can_do_anything_with_it(client: Client, ann: User, bob: User) -> None:
    conversation = talk(ann)
    urls = {name: reverse(f"chat:conversation-{name}", args=[conversation.pk]) for name in ("item", "rename", "mark")}
    client.force_login(bob)
    assert client.get(urls["item"]).status_code == client.get(urls["rename"]).status_code == 404
    for name in ("rename", "mark", "delete", "restore"):
        assert post(client, name, conversation, title="Bob's", mark="pin").status_code == 404
    trash.put(conversation)
    assert post(client, "restore", conversation).status_code == 404
    assert groups(bob) == {}
    client.logout()
    for name in ("rename", "mark", "delete", "restore"):
        assert post(client, name, conversation)["Location"].startswith("/accounts/login/")
    for url in ("/archived/", "/notice/", f"/older/1-{'a' * 32}/", urls["item"], urls["rename"]):
        assert client.get(url)["Location"].startswith("/accounts/login/")


def test_rename_in_place(client: Client, ann: User) -> None:
    conversation = talk(ann)
    client.force_login(ann)
    url = reverse("chat:conversation-rename", args=[conversation.pk])
    field = client.get(url, headers=on(conversation)).content.decode()
    assert field.startswith(f'<li id="conversation-{conversation.pk.hex}" class="renaming current"')
    assert 'value="Sums"' in field
    line = client.post(url, {"title": "<b>Numbers</b>"}, headers=on(conversation)).content.decode()
    assert line.startswith(f'<li id="conversation-{conversation.pk.hex}" class="current"')
    assert ">&lt;b&gt;Numbers&lt;/b&gt;</a>" in line
    again = client.get(reverse("chat:conversation-item", args=[conversation.pk]), headers=on(conversation))
    assert again.content.decode().splitlines()[:2] == line.splitlines()[:2]
    for bad in ("", "x" * 201):
        assert client.post(url, {"title": bad}, headers=HTMX).status_code == 422
    conversation.refresh_from_db()
    assert conversation.title == "<b>Numbers</b>"


def test_rename_without_a_script(client: Client, ann: User) -> None:
    conversation = talk(ann)
    client.force_login(ann)
    url = reverse("chat:conversation-rename", args=[conversation.pk])
    assert b'value="Sums"' in client.get(url).content
    refused = client.post(url, {"title": "x" * 201})
    assert refused.status_code == 422
    assert "at most 200 characters" in refused.content.decode()
    assert "x" * 201 in refused.content.decode()
    assert client.post(url, {"title": "Numbers"})["Location"] == conversation.get_absolute_url()


def test_pin_and_unpin(client: Client, ann: User) -> None:
    conversation = talk(ann)
    client.force_login(ann)
    html = post(client, "mark", conversation, on(conversation), mark="pin").content.decode()
    assert html.startswith('<nav id="conversation-list"')
    assert groups(ann) == {"Pinned": ["Sums"]}
    assert post(client, "mark", conversation, mark="unpin")["Location"] == conversation.get_absolute_url()
    assert groups(ann) == {"Today": ["Sums"]}
    assert post(client, "mark", conversation, mark="burn").status_code == 400


def test_archived_ones_leave_the_list_and_come_back(client: Client, ann: User) -> None:
    conversation = talk(ann, is_pinned=True)
    client.force_login(ann)
    html = post(client, "mark", conversation, on(conversation), mark="archive").content.decode()
    assert f'<li id="conversation-{conversation.pk.hex}" hidden>' in html  # live frames still find their place
    assert "“Sums” is in the archive now." in html
    assert groups(ann) == {}
    home = client.get("/", follow=True).content.decode()
    assert "What would you like to know?" in home
    assert 'href="/archived/"' in home
    assert conversation.get_absolute_url() in client.get("/archived/").content.decode()
    assert post(client, "mark", conversation, mark="unarchive")["Location"] == conversation.get_absolute_url()
    assert groups(ann) == {"Today": ["Sums"]}
    assert "Nothing is archived" in client.get("/archived/").content.decode()


def test_a_deleted_one_is_gone_at_once_and_undo_brings_all_of_it_back(client: Client, ann: User) -> None:
    conversation = talk(ann, "A <b>title</b>", is_pinned=True, instructions="Be brief.")
    client.force_login(ann)
    assert post(client, "delete", conversation)["Location"] == "/"
    assert groups(ann) == {}
    assert client.get(conversation.get_absolute_url()).status_code == 404
    assert post(client, "delete", conversation).status_code == 302, "in another window, just after"
    home = client.get("/", follow=True).content.decode()
    assert "Deleted “A &lt;b&gt;title&lt;/b&gt;”." in home
    undo = reverse("chat:conversation-restore", args=[conversation.pk])
    assert f'action="{undo}"' in home
    assert client.get(undo).status_code == 405
    assert client.post(undo)["Location"] == conversation.get_absolute_url()
    page = client.get(conversation.get_absolute_url()).content.decode()
    assert "Deleted" not in page
    assert groups(ann) == {"Pinned": ["A <b>title</b>"]}
    conversation.refresh_from_db()
    assert (conversation.messages.count(), conversation.instructions) == (1, "Be brief.")


def test_deleting_from_a_page_changes_only_what_must_change(client: Client, ann: User) -> None:
    shown, other = talk(ann, "Shown"), talk(ann, "Other")
    client.force_login(ann)
    html = post(client, "delete", other, on(shown)).content.decode()
    assert html.startswith('<div id="notice"')
    assert 'hx-swap-oob="true"' in html
    back = post(client, "restore", other, on(shown)).content.decode()
    assert "“Other” is back." in back
    assert re.search('<nav id="conversation-list"[^>]*hx-swap-oob="true"', back)
    assert ">Other</a>" in back
    assert post(client, "delete", shown, on(shown))["HX-Redirect"] == "/"


def test_what_was_not_brought_back_is_deleted_for_good(client: Client, ann: User) -> None:
    kept, deleted = talk(ann, "Kept"), talk(ann, "Deleted")
    trash.put(deleted)
    trash.expunge()
    assert Conversation.objects.count() == 2
    client.force_login(ann)
    assert "Undo" in client.get("/notice/").content.decode()
    late = timezone.now() - timedelta(seconds=trash.UNDO_SECONDS + 1)
    Conversation.objects.filter(pk=deleted.pk).update(deleted_at=late)
    assert post(client, "restore", deleted).status_code == 404
    client.get(kept.get_absolute_url())
    assert list(Conversation.objects.all()) == [kept]
    assert [message.conversation for message in Message.objects.all()] == [kept]
    assert "Undo" not in client.get("/notice/").content.decode()


def test_looking_for_what_is_to_be_deleted_takes_one_query(
    ann: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        trash.expunge()


def lines(page: Element) -> list[str]:
    """The list's, in order."""
    return [line.attributes["id"] for line in page.with_id("conversation-list").where("id") if line.tag == "li"]


@pytest.mark.parametrize("place", ["listed", "beyond the first page", "archived", "pinned"])
def test_a_new_prompt_moves_its_conversation_to_the_top_of_every_open_page(
    client: Client, ann: User, place: str
) -> None:
    moment = timezone.now() - timedelta(days=20)
    asked = talk(ann, "Asked", updated_at=moment, is_pinned=place == "pinned", is_archived=place == "archived")
    others = PAGE_CONVERSATIONS + 1 if place == "beyond the first page" else 2
    for number in range(others):
        talk(ann, f"Other {number}", updated_at=timezone.now() - timedelta(days=2), is_pinned=not number)
    client.force_login(ann)
    page = parsed(client.get(asked.get_absolute_url()).content.decode())
    Conversation.objects.filter(pk=asked.pk).update(updated_at=timezone.now(), is_archived=False)
    asked.refresh_from_db()
    name = f"conversation-{asked.pk.hex}"
    for html in (sidebar.top(asked), sidebar.item(asked)):
        swap(page, html)
        line = page.with_id(name)  # it is there once
        group = page.with_id("conversations-pinned" if place == "pinned" else "conversations-today")
        assert group.children[0] is line
        assert "current" in line.attributes["class"]


@pytest.mark.parametrize("age", [timedelta(days=20), timedelta(seconds=1)])
def test_a_page_that_shows_another_version_of_an_older_one_leaves_it_in_its_place(
    client: Client, ann: User, age: timedelta
) -> None:
    old = talk(ann, "Old", updated_at=timezone.now() - age)
    talk(ann, "New")
    client.force_login(ann)
    page = parsed(client.get(old.get_absolute_url()).content.decode())
    order = lines(page)
    swap(page, sidebar.item(old))
    assert lines(page) == order


@pytest.mark.django_db(transaction=True)
async def test_deleting_stops_the_answer_and_tells_open_pages(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    hold = threading.Event()
    scripted.enqueue(reply("", "One two three four"), hold=hold, hold_at=5)
    client = Client()
    await sync_to_async(client.force_login)(ann)
    try:
        async with page_of(ann, conversation) as page:
            await page.ask("Count")
            await page.until_written("One")
            await sync_to_async(post)(client, "delete", conversation)
            assert await page.closed() == NOT_FOUND
        await until_stopped(conversation)
    finally:
        hold.set()
    await sync_to_async(post)(client, "restore", conversation)
    answer = await answer_of(conversation)
    assert (answer.status, answer.text) == (Status.STOPPED, "One two")
    assert await Conversation.objects.for_user(ann).filter(pk=conversation.pk).aexists()


@pytest.mark.django_db(transaction=True)
async def test_a_prompt_takes_a_conversation_out_of_the_archive(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    await Conversation.objects.filter(pk=conversation.pk).aupdate(is_archived=True)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello again")
        await page.until("conversations-today")
        await page.until('data-status="complete"')
    assert await Conversation.objects.filter(is_archived=False).acount() == 1


def test_a_server_that_starts_deletes_what_was_not_brought_back(ann: User) -> None:
    deleted = talk(ann)
    deleted.deleted_at = timezone.now() - timedelta(hours=1)
    deleted.save()
    recovery.recover_at_start()
    assert not Conversation.objects.exists()


async def until_stopped(conversation: Conversation) -> None:
    async with asyncio.timeout(20):
        while await conversation.messages.streaming().aexists():
            await asyncio.sleep(0.01)
