from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from chat.models import Conversation, Role, Status
from tests.chat.conftest import PASSWORD


@pytest.fixture
def talk(conversation: Conversation) -> Conversation:
    """A conversation with one turn."""
    prompt = conversation.messages.create(role=Role.USER, text="What is <b>2 + 2</b>?")
    answer = conversation.messages.create(
        parent=prompt,
        role=Role.ASSISTANT,
        text="4 & no more",
        thinking="2 + 2 = 4.",
        thinking_tokens=7,
        effort="low",
    )
    conversation.leaf, conversation.title = answer, "Sums"
    conversation.save()
    return conversation


def urls_of(conversation: Conversation) -> list[tuple[str, str]]:
    names = ["conversation-prompt", "conversation-act", "conversation-rename", "conversation-delete"]
    return [("get", conversation.get_absolute_url())] + [
        ("post", reverse(f"chat:{name}", args=[conversation.pk])) for name in names
    ]


def test_anonymous_is_sent_to_log_in(client: Client, talk: Conversation) -> None:
    for method, url in [*urls_of(talk), ("get", "/"), ("post", "/new/")]:
        response = getattr(client, method)(url)
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/?next=")


def test_another_persons_conversation_does_not_exist(client: Client, talk: Conversation, bob: User) -> None:
    client.force_login(bob)
    for method, url in urls_of(talk):
        assert (
            getattr(client, method)(
                url, {"prompt": "mine now", "title": "Mine", "action": "stop", "message": 1}
            ).status_code
            == 404
        )
    talk.refresh_from_db()
    assert talk.title == "Sums"
    assert talk.messages.count() == 2


def test_administrators_do_not_see_it_outside_of_the_admin(
    client: Client, talk: Conversation, admin_user: User
) -> None:
    client.force_login(admin_user)
    assert client.get(talk.get_absolute_url()).status_code == 404


def test_changes_need_a_post(client: Client, talk: Conversation, ann: User) -> None:
    client.force_login(ann)
    for method, url in urls_of(talk):
        if method == "post" and not url.endswith("/rename/"):
            assert client.get(url).status_code == 405


def test_log_in_and_out(client: Client, ann: User) -> None:
    assert b"do not match" in client.post("/accounts/login/", {"username": "ann", "password": "wrong"}).content
    response = client.post("/accounts/login/", {"username": "ann", "password": PASSWORD})
    assert (response.status_code, response["Location"]) == (302, "/")
    client.post("/accounts/logout/")
    assert client.get("/").status_code == 302


def test_after_a_log_in_one_is_where_one_was(client: Client, talk: Conversation, ann: User) -> None:
    for name in ("conversation-prompt", "conversation-delete"):
        anonymous = client.post(reverse(f"chat:{name}", args=[talk.pk]))
        response = client.post(anonymous["Location"], {"username": "ann", "password": PASSWORD})
        assert response["Location"] == talk.get_absolute_url()
        client.logout()


def test_a_fragment_without_a_session_leads_the_page_to_log_in(client: Client, talk: Conversation) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{talk.get_absolute_url()}"}
    url = reverse("chat:conversation-rename", args=[talk.pk])
    response = client.post(url, {"title": "x"}, headers=headers, follow=True)
    assert response["HX-Redirect"].startswith("/accounts/login/?next=%2Fc%2F")


def test_a_message_alone_cannot_be_deleted_in_the_admin(client: Client, talk: Conversation, admin_user: User) -> None:
    client.force_login(admin_user)
    assert client.post(f"/admin/chat/message/{talk.leaf_id}/delete/", {"post": "yes"}).status_code == 403
    client.post(f"/admin/chat/conversation/{talk.pk}/delete/", {"post": "yes"})
    assert not Conversation.objects.exists()


def test_the_page_shows_thinking_and_answer_as_text(client: Client, talk: Conversation, ann: User) -> None:
    client.force_login(ann)
    html = client.get(talk.get_absolute_url()).content.decode()
    assert "What is &lt;b&gt;2 + 2&lt;/b&gt;?" in html
    assert "2 + 2 = 4." in html
    assert "4 &amp; no more" in html
    assert re.search(r'<article id="message-\d+" class="message" data-role="assistant" data-status="complete"', html)
    assert "7 tokens · low" in html


def test_a_running_answer_is_in_the_served_page(client: Client, talk: Conversation, ann: User) -> None:
    talk.messages.filter(role=Role.ASSISTANT).update(status=Status.STREAMING, text="half an ans")
    client.force_login(ann)
    html = client.get(talk.get_absolute_url()).content.decode()
    assert "half an ans" in html
    assert 'aria-busy="true"' in html


def test_home_is_the_newest_conversation(client: Client, talk: Conversation, ann: User) -> None:
    client.force_login(ann)
    assert client.get("/")["Location"] == talk.get_absolute_url()


def test_home_of_a_new_person_is_a_new_conversation(client: Client, ann: User) -> None:
    client.force_login(ann)
    response = client.get("/", follow=True)
    assert b"What would you like to know?" in response.content
    assert b"No conversations yet" in response.content


def test_new_uses_the_blank_conversation_again(client: Client, talk: Conversation, ann: User) -> None:
    client.force_login(ann)
    first = client.post("/new/")["Location"]
    assert first != talk.get_absolute_url()
    assert client.post("/new/")["Location"] == first


def test_dropped_turns_are_told(client: Client, talk: Conversation, ann: User) -> None:
    talk.messages.filter(role=Role.ASSISTANT).update(dropped_turns=3)
    client.force_login(ann)
    assert "did not see the 3 oldest turns" in client.get(talk.get_absolute_url()).content.decode()


def test_the_content_security_policy_is_strict(client: Client, talk: Conversation, ann: User, admin_user: User) -> None:
    for user, url in [(None, "/accounts/login/"), (ann, talk.get_absolute_url()), (admin_user, "/admin/")]:
        if user:
            client.force_login(user)
        response = client.get(url)
        policy = response["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        html = response.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", html)
        assert not re.search(r"https?://(?!testserver)", re.sub(r'xmlns="[^"]*"', "", html)) or user == admin_user


def test_sign_up_only_where_it_is_allowed(client: Client, db: None, settings: Settings) -> None:
    assert client.get("/accounts/signup/").status_code == 404
    settings.ALLOW_SIGNUP = True
    data = {"username": "cleo", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/signup/", data)["Location"] == "/"
    assert client.get("/", follow=True).status_code == 200


def test_a_replys_process_that_died_leaves_an_interrupted_answer(client: Client, talk: Conversation, ann: User) -> None:
    long_ago = timezone.now() - timedelta(minutes=1)
    talk.messages.filter(role=Role.ASSISTANT).update(status=Status.STREAMING, saved_at=long_ago)
    client.force_login(ann)
    html = client.get(talk.get_absolute_url()).content.decode()
    assert 'data-status="interrupted"' in html
    assert "4 &amp; no more" in html


def test_administrators_review_conversations_read_only(client: Client, talk: Conversation, admin_user: User) -> None:
    client.force_login(admin_user)
    listing = client.get("/admin/chat/conversation/", {"q": "no more"}).content.decode()
    assert "Sums" in listing
    assert "Sums" not in client.get("/admin/chat/conversation/", {"q": "unsaid"}).content.decode()
    page = client.get(f"/admin/chat/conversation/{talk.pk}/change/").content.decode()
    assert "2 + 2 = 4." in page
    assert "4 &amp; no more" in page
    assert 'name="messages-0-text"' not in page
    assert client.post(f"/admin/chat/conversation/{talk.pk}/change/", {"title": "Changed"}).status_code == 403
