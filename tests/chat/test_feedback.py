from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from chat import fragments
from chat.models import Conversation, Feedback, Message, Role, Status
from tests.document import parsed

HTMX = {"HX-Request": "true"}


@pytest.fixture
def answer(conversation: Conversation) -> Message:
    """The answer of a conversation with one turn."""
    prompt = conversation.messages.create(role=Role.USER, text="What is 2 + 2?")
    answer = conversation.messages.create(parent=prompt, role=Role.ASSISTANT, text="Five.", effort="low")
    conversation.leaf, conversation.title = answer, "Sums"
    conversation.save()
    return answer


@pytest.fixture
def member(client: Client, ann: User) -> Client:
    client.force_login(ann)
    return client


def url_of(answer: Message) -> str:
    return reverse("chat:message-feedback", args=[answer.conversation_id, answer.pk])


def given() -> tuple[int, str] | None:
    return Feedback.objects.values_list("rating", "note").first()


def pressed(html: str) -> list[str]:
    """The thumbs that look pressed."""
    return [button.attributes["data-action"] for button in parsed(html).where("aria-pressed", "true")]


def test_a_thumb_is_given_changed_and_taken_back(member: Client, answer: Message) -> None:
    for rating, thumbs, saved in [
        (1, ["thumbs-up"], (1, "")),
        (-1, ["thumbs-down"], (-1, "")),
        (0, [], None),
        (0, [], None),
    ]:
        response = member.post(url_of(answer), {"rating": rating}, headers=HTMX)
        html = response.content.decode()
        assert parsed(html).where("id", f"message-{answer.pk}-feedback"), "the fragment, by itself"
        assert (pressed(html), given()) == (thumbs, saved)


def test_a_pressed_thumb_takes_back_and_the_other_changes(member: Client, answer: Message) -> None:
    html = member.post(url_of(answer), {"rating": 1}, headers=HTMX).content.decode()
    values = {
        button.attributes["data-action"]: button.attributes["value"] for button in parsed(html).where("aria-pressed")
    }
    assert values == {"thumbs-up": "0", "thumbs-down": "-1"}


def test_without_script_the_page_comes_back_where_it_was(member: Client, answer: Message) -> None:
    page = answer.conversation.get_absolute_url()
    response = member.post(url_of(answer), {"rating": -1}, headers={"Referer": f"http://testserver{page}?from=7&x=1"})
    assert response["Location"] == f"{page}?from=7#message-{answer.pk}"
    for referrer in ("", "http://testserver/?from=1%0d%0aEvil:1", "no address"):
        response = member.post(url_of(answer), {"rating": -1}, headers={"Referer": referrer})
        assert response["Location"] == f"{page}#message-{answer.pk}"
    html = member.get(page).content.decode()
    assert re.search(r'data-action="thumbs-down" aria-pressed="true"', html)
    assert "Add a note" in html


def test_a_note_is_added_later_and_outlives_another_thumb(member: Client, answer: Message) -> None:
    member.post(url_of(answer), {"rating": -1}, headers=HTMX)
    note = " It is <b>4</b>.\r\nReally. "
    html = member.post(url_of(answer), {"rating": -1, "note": note}, headers=HTMX).content.decode()
    assert given() == (-1, "It is <b>4</b>.\nReally.")
    assert "It is &lt;b&gt;4&lt;/b&gt;.\nReally.</textarea>" in html
    assert "Your note" in html
    member.post(url_of(answer), {"rating": 1}, headers=HTMX)
    assert given() == (1, "It is <b>4</b>.\nReally.")
    member.post(url_of(answer), {"rating": 1, "note": ""}, headers=HTMX)
    assert given() == (1, "")


@pytest.mark.parametrize(
    ("form", "complaint"),
    [
        ({"rating": -1, "note": "x" * 2001}, "at most 2,000 characters, this one has 2,001"),
        ({"rating": -1, "note": "a\x00b"}, "Null characters"),
        ({"rating": 5}, "5 is not one of the available choices"),
        ({"rating": "good"}, "good is not one of the available choices"),
        ({"note": "kept <text>"}, "kept &lt;text&gt;"),
        ({}, "This field is required"),
    ],
)
def test_what_makes_no_sense_is_refused_and_kept_in_the_form(
    member: Client, answer: Message, form: dict[str, str], complaint: str
) -> None:
    response = member.post(url_of(answer), form, headers=HTMX)
    assert response.status_code == 422
    assert complaint in response.content.decode()
    assert given() is None


def test_a_note_of_the_greatest_length_fits_whatever_its_line_ends(member: Client, answer: Message) -> None:
    response = member.post(url_of(answer), {"rating": 1, "note": "ü\r\n" * 1000 + "x"}, headers=HTMX)
    assert response.status_code == 422
    response = member.post(url_of(answer), {"rating": 1, "note": "ü\r\n" * 999 + "xx"}, headers=HTMX)
    assert response.status_code == 200


def test_only_ones_own_ended_answers_can_be_rated(client: Client, answer: Message, ann: User, bob: User) -> None:
    assert client.post(url_of(answer), {"rating": 1})["Location"].startswith("/accounts/login/")
    client.force_login(bob)
    assert client.post(url_of(answer), {"rating": 1}).status_code == 404
    client.force_login(ann)
    assert client.get(url_of(answer)).status_code == 405
    other = Conversation.objects.create(owner=ann)
    for conversation, message in [(answer.conversation_id, answer.parent_id), (other.pk, answer.pk)]:
        url = reverse("chat:message-feedback", args=[conversation, message])
        assert client.post(url, {"rating": 1}).status_code == 404
    Message.objects.filter(pk=answer.pk).update(status=Status.STREAMING)
    assert client.post(url_of(answer), {"rating": 1}).status_code == 404
    assert given() is None


def test_prompts_and_running_answers_have_no_thumbs(member: Client, answer: Message) -> None:
    url = answer.conversation.get_absolute_url()
    assert member.get(url).content.decode().count('data-action="thumbs-up"') == 1
    Message.objects.filter(pk=answer.pk).update(status=Status.STREAMING)
    assert "thumbs-up" not in member.get(url).content.decode()


def test_a_page_asks_for_all_feedback_at_once(
    member: Client, answer: Message, django_assert_num_queries: object
) -> None:
    Feedback.objects.create(message=answer, rating=1, note="Nice")
    (_prompt, loaded) = answer.conversation.path()
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert pressed(fragments.message(loaded)) == ["thumbs-up"]


async def test_where_no_database_can_be_asked_an_answer_still_renders() -> None:
    new = Message(pk=7, conversation_id=uuid4(), role=Role.ASSISTANT, text="Just ended.", effort="low")
    assert pressed(fragments.message(new)) == []


def test_administrators_find_bad_answers_with_note_and_person(
    client: Client, answer: Message, admin_user: User
) -> None:
    Feedback.objects.create(message=answer, rating=-1, note="It is <i>four</i>.")
    client.force_login(admin_user)
    url = "/admin/chat/feedback/"
    listing = client.get(url, {"rating__exact": "-1", "q": "four"}).content.decode()
    review = f"/admin/chat/conversation/{answer.conversation_id}/change/"
    for text in ("Bad answer", "It is &lt;i&gt;four&lt;/i&gt;.", "ann", "What is 2 + 2?", "Five.", review):
        assert text in listing
    assert "Five." not in client.get(url, {"rating__exact": "1"}).content.decode()
    assert "Bad answer · It is &lt;i&gt;four&lt;/i&gt;." in client.get(review).content.decode()
    detail = client.get(f"{url}{answer.pk}/change/").content.decode()
    assert "What is 2 + 2?" in detail
    assert 'name="note"' not in detail


def test_administrators_cannot_touch_feedback_but_delete_its_conversation(
    client: Client, answer: Message, admin_user: User
) -> None:
    Feedback.objects.create(message=answer, rating=-1)
    client.force_login(admin_user)
    url = f"/admin/chat/feedback/{answer.pk}"
    assert client.post(f"{url}/change/", {"rating": 1}).status_code == 403
    assert client.post(f"{url}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/chat/feedback/add/").status_code == 403
    client.post(f"/admin/chat/conversation/{answer.conversation_id}/delete/", {"post": "yes"})
    assert not Feedback.objects.exists()
    assert not Conversation.objects.exists()


def test_the_list_of_feedback_takes_as_many_queries_for_many_as_for_one(
    client: Client, answer: Message, admin_user: User, django_assert_max_num_queries: object
) -> None:
    for number in range(20):
        prompt = answer.conversation.messages.create(role=Role.USER, text=f"Prompt {number}")
        rated = answer.conversation.messages.create(parent=prompt, role=Role.ASSISTANT, text="Yes.")
        Feedback.objects.create(message=rated, rating=1)
    client.force_login(admin_user)
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        assert client.get("/admin/chat/feedback/").content.decode().count("Yes.") == 20
