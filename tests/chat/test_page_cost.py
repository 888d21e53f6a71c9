"""What a page asks for, and asks for once."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chat.models import Conversation, Role
from tests.document import parsed

MENU = {
    "conversation-rename": "hx-get",
    "conversation-mark": "hx-post",
    "conversation-delete": "hx-post",
}
FORMS = ("markdown", "json", "harmony")
MOST_QUERIES = 15


def talk_of(owner: User) -> Conversation:
    made = owner.conversations.create(title="Sums")
    prompt = made.messages.create(role=Role.USER, text="2 + 2?")
    made.leaf = made.messages.create(role=Role.ASSISTANT, text="4", parent=prompt)
    made.save()
    return made


def test_a_page_asks_no_more_for_a_longer_list(client: Client, ann: User) -> None:
    client.force_login(ann)
    shown = talk_of(ann)
    client.get(shown.get_absolute_url())
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get(shown.get_absolute_url())
        counts.append(len(queries))
        for _ in range(20):
            talk_of(ann)
    assert counts[0] == counts[1] <= MOST_QUERIES


def test_what_a_person_usually_has_is_asked_for_once(client: Client, ann: User) -> None:
    client.force_login(ann)
    shown = talk_of(ann)
    meter = reverse("chat:conversation-meter", args=[shown.pk])
    for method, address in (("GET", shown.get_absolute_url()), ("POST", meter)):
        with CaptureQueriesContext(connection) as queries:
            client.generic(method, address, "prompt=Hello", "application/x-www-form-urlencoded")
        asked = [query for query in queries if 'FROM "chat_preferences"' in query["sql"]]
        assert len(asked) == 1


def test_the_menu_of_a_line_leads_where_the_patterns_say(client: Client, ann: User) -> None:
    """Its addresses are made of the conversation's own, without asking the patterns."""
    client.force_login(ann)
    shown = talk_of(ann)
    line = parsed(client.get(shown.get_absolute_url()).content.decode()).with_id(f"conversation-{shown.pk.hex}")
    for name, attribute in MENU.items():
        assert line.where(attribute, reverse(f"chat:{name}", args=[shown.pk]))
    (form,) = line.where("method", "post")
    assert form.attributes["action"] == reverse("chat:conversation-mark", args=[shown.pk])
    (delete,) = line.where("data-action", "delete")
    assert delete.attributes["formaction"] == reverse("chat:conversation-delete", args=[shown.pk])
    for form_name in FORMS:
        assert line.where("href", reverse("chat:conversation-export", args=[shown.pk, form_name]))
