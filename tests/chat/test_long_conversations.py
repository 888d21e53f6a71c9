"""Conversations of many messages: what a page gets of them, and HTML that is kept with answers."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from chat.markdown import document
from chat.models import Conversation, Message, Role, Status
from chat.models.conversation import EARLIER_MESSAGES, MOST_MESSAGES, PAGE_MESSAGES
from chat.orders import show_version
from tests.chat.open_page import answer_of, page_of
from tests.document import parsed
from tests.scripted_server import ScriptedServer, reply


def talk(conversation: Conversation, turns: int) -> list[Message]:
    messages: list[Message] = []
    for number in range(turns):
        for role, text in ((Role.USER, f"Prompt {number}"), (Role.ASSISTANT, f"*Answer* {number}")):
            parent = messages[-1] if messages else None
            messages.append(conversation.messages.create(role=role, text=text, parent=parent))
    Conversation.objects.filter(pk=conversation.pk).update(leaf=messages[-1])
    conversation.refresh_from_db()
    return messages


def test_a_page_has_the_end_and_is_bounded(conversation: Conversation) -> None:
    messages = talk(conversation, MOST_MESSAGES)
    assert conversation.page() == messages[-PAGE_MESSAGES:]
    assert conversation.page(messages[-1].pk) == messages[-PAGE_MESSAGES:]
    assert conversation.page(messages[-50].pk) == messages[-50:]
    assert conversation.page(messages[0].pk) == messages[-MOST_MESSAGES:]
    first = conversation.page()[0]
    assert (first.position, first.earlier) == (
        len(messages) - PAGE_MESSAGES,
        messages[-PAGE_MESSAGES - EARLIER_MESSAGES].pk,
    )
    assert conversation.earlier(first.pk) == messages[-PAGE_MESSAGES - EARLIER_MESSAGES : -PAGE_MESSAGES]
    assert conversation.earlier(messages[1].pk) == messages[:1]
    assert conversation.earlier(12345) == []


@pytest.mark.django_db(transaction=True)
async def test_earlier_messages_come_also_to_a_page_that_was_empty_once(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page:
        for number in range(12):
            await page.ask(f"Prompt {number}")
            await page.until('assistant" data-status="complete"')
        await page.act("regenerate", (await answer_of(conversation)).pk)
        await page.until('assistant" data-status="complete"')
        assert len(page.document.where("data-role")) == PAGE_MESSAGES
        first = page.document.where("data-role")[0].attributes["id"].removeprefix("message-")
        await page.act("earlier", first)
        await page.until("afterbegin:#messages")
        assert len(page.document.where("data-role")) == 24
        assert not page.document.where("id", "earlier")


@pytest.mark.django_db(transaction=True)
async def test_what_is_earlier_than_nothing_shown_brings_the_page_up_to_date(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until('assistant" data-status="complete"')
        await page.act("earlier", (await answer_of(conversation)).parent_id)
        await page.until('id="messages"')
        assert len(page.document.where("data-role")) == 2


def test_a_hit_far_up_is_shown_with_what_is_around_it(client: Client, ann: User, conversation: Conversation) -> None:
    messages = talk(conversation, MOST_MESSAGES)
    client.force_login(ann)
    far = messages[100]
    html = client.get(f"{conversation.get_absolute_url()}?from={far.pk}").content.decode()
    page = parsed(html)
    shown = [element.attributes["id"] for element in page.where("data-role")]
    assert shown == [f"message-{message.pk}" for message in messages[100 : 100 + EARLIER_MESSAGES]]
    assert f'href="?from={messages[100 - EARLIER_MESSAGES].pk}"' in html
    assert f'href="?from={messages[100 + EARLIER_MESSAGES - 1].pk}"' in html
    assert "ws-connect" not in html
    near = client.get(f"{conversation.get_absolute_url()}?from={messages[-100].pk}").content.decode()
    assert "ws-connect" in near
    assert len(parsed(near).where("data-role")) == 100


# HTML that is kept


def test_an_answer_is_rendered_once(client: Client, ann: User, conversation: Conversation) -> None:
    answer = talk(conversation, 1)[-1]
    client.force_login(ann)
    assert b"<em>Answer</em> 0" in client.get(conversation.get_absolute_url()).content
    Message.objects.filter(pk=answer.pk).update(html="<p>As kept.</p>")
    assert b"<p>As kept.</p>" in client.get(conversation.get_absolute_url()).content
    Message.objects.filter(pk=answer.pk).update(html_version=0)
    assert b"<em>Answer</em> 0" in client.get(conversation.get_absolute_url()).content


def test_what_was_rendered_of_an_older_text_is_not_kept(conversation: Conversation) -> None:
    talk(conversation, 1)
    seen = conversation.page()
    assert "Answer" in seen[-1].answer_html
    Message.objects.filter(pk=seen[-1].pk).update(text="New", saved_at="2030-01-01T00:00Z")
    Message.objects.keep_html(seen)
    assert "New" in conversation.page()[-1].answer_html


@pytest.mark.django_db(transaction=True)
async def test_no_text_is_lost_when_rendering_breaks(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: document.Document, text: str) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(document.Document, "render", broken)
    scripted.enqueue(reply("", "One\n\ntwo\n\n<b>three</b>\n\nfour"), seconds_per_token=0.01)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        end = await page.until('assistant" data-status="complete"')
    assert "&lt;b&gt;three&lt;/b&gt;" in end
    answer = await answer_of(conversation)
    assert (answer.status, answer.text) == (Status.COMPLETE, "One\n\ntwo\n\n<b>three</b>\n\nfour")


def test_another_version_is_rendered_by_itself(conversation: Conversation) -> None:
    prompt, answer = talk(conversation, 1)
    other = conversation.messages.create(role=Role.ASSISTANT, text="**Other**", parent=prompt)
    Message.objects.keep_html(conversation.page())
    show_version(conversation, other.pk)
    conversation.refresh_from_db()
    shown = conversation.page()[-1]
    assert (shown.pk, shown.version, shown.versions) == (other.pk, 2, 2)
    assert "<strong>Other</strong>" in shown.answer_html
    assert answer.pk == shown.previous_version
