"""How much one person may have at once, or keep; what is refused stays where it was typed."""

from __future__ import annotations

import json

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from chat import consumers
from chat.models import Conversation, Message, Role
from chat.routing import sockets
from chat.transfer import document
from tests.chat.open_page import Page, page_of, scope_of
from tests.document import parsed
from tests.scripted_server import ScriptedServer, reply

pytestmark = pytest.mark.django_db(transaction=True)


async def test_pages_beyond_the_limit_wait(
    scripted: ScriptedServer, ann: User, bob: User, conversation: Conversation, settings: Settings
) -> None:
    settings.MAX_SOCKETS_PER_USER = 2
    theirs = await bob.conversations.acreate()
    async with page_of(ann, conversation), page_of(ann, conversation) as second, page_of(bob, theirs):
        socket = WebsocketCommunicator(sockets, f"/ws/c/{conversation.pk}/")
        socket.scope |= await scope_of(ann)  # type: ignore[typeddict-item]
        await socket.connect()
        third = Page(socket)
        await third.until("Too many of your pages are open")
        assert await third.closed() == consumers.TOO_MANY
        await socket.disconnect()
        scripted.enqueue(reply("", "Hello."))
        await second.ask("Hello?")
        await second.until('assistant" data-status="complete"')
    async with page_of(ann, conversation) as again:
        assert "Hello." in again.html or await again.until("Hello.")


async def test_a_page_that_sends_too_much_at_once_is_not_heard(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "FRAMES_SECONDS", 1000.0)
    async with page_of(ann, conversation) as page:
        for _time in range(consumers.MOST_FRAMES):
            await page.socket.send_to(text_data='{"action": "none"}')
        await page.ask("Hello?")
        await page.until("Too much at once")
        assert not await Message.objects.aexists()
        monkeypatch.setattr(consumers, "FRAMES_SECONDS", 0.0)
        await page.ask("Hello?")
        await page.until('assistant" data-status="complete"')


async def test_who_has_many_messages_deletes_some_first(
    scripted: ScriptedServer, ann: User, bob: User, conversation: Conversation, settings: Settings
) -> None:
    settings.MAX_MESSAGES_PER_USER = 3
    async with page_of(ann, conversation) as page:
        await page.ask("Hello?")
        await page.until('assistant" data-status="complete"')
        await page.ask("And again?")
        await page.until("This site keeps at most 3 messages")
        assert await Message.objects.acount() == 2
        answer = await Message.objects.alast()
        assert answer
        await page.act("regenerate", message_id=answer.pk)
        while await Message.objects.acount() < 3:
            await page.until("")


@pytest.fixture
def talk(ann: User) -> Conversation:
    kept = ann.conversations.create(title="Nuts")
    kept.leaf = kept.messages.create(role=Role.USER, text="What is a walnut?")
    kept.save()
    return kept


def test_who_has_many_conversations_deletes_some_first(
    scripted: ScriptedServer, client: Client, ann: User, talk: Conversation, settings: Settings
) -> None:
    settings.MAX_CONVERSATIONS_PER_USER = 1
    client.force_login(ann)
    path = client.post("/new/")["Location"]
    refused = client.post(f"{path}prompt/", {"prompt": "Hello?"})
    assert refused.status_code == 400
    text = refused.content.decode()
    assert "This site keeps at most 1 conversations" in text
    assert parsed(text).where("name", "prompt")[-1].text.strip() == "Hello?"
    client.post(f"/c/{talk.pk}/delete/")
    assert client.post(f"{path}prompt/", {"prompt": "Hello?"}).status_code == 302


def test_an_import_ends_where_no_room_is(client: Client, ann: User, talk: Conversation, settings: Settings) -> None:
    file = json.dumps([document.write(talk)]).encode()
    Conversation.objects.all().delete()
    client.force_login(ann)
    settings.MAX_MESSAGES_PER_USER = 0
    told = client.post("/import/", {"file": SimpleUploadedFile("talk.json", file)}).content.decode()
    assert "This site keeps at most" in told
    assert "0 conversations of the file were imported before" in told
    assert not Message.objects.exists()
    settings.MAX_MESSAGES_PER_USER = 1
    client.post("/import/", {"file": SimpleUploadedFile("talk.json", file)})
    assert Message.objects.count() == 1


def test_a_body_beyond_the_limit_is_refused_as_such(client: Client, ann: User, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    client.force_login(ann)
    assert client.post("/settings/", {"instructions": "x" * 2000}).status_code == 413
