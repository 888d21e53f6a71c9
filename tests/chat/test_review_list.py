"""The list of everybody's conversations: what it shows, finds, and takes with it."""

from __future__ import annotations

import json
import re
from typing import cast
from unittest.mock import ANY

import pytest
from django.contrib.auth.models import User
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client

from chat.models import AuditEntry, Conversation, Feedback, Look, Message, Review, Role, Status, TokenIdsField
from chat.review import export
from inference import harmony
from inference.vocabulary import encode, encoding

LIST = "/admin/chat/conversation/"


@pytest.fixture
def admin(client: Client, admin_user: User) -> Client:
    client.force_login(admin_user)
    return client


def said(owner: User, title: str, status: Status = Status.COMPLETE, **values: object) -> Conversation:
    """A conversation of one turn."""
    values = {"effort": "low", "prompt_tokens": 1000, "thinking_tokens": 200, "answer_tokens": 34} | values
    conversation = Conversation.objects.create(owner=owner, title=title, effort=str(values["effort"]))
    prompt = conversation.messages.create(role=Role.USER, text=f"Prompt of {title}")
    conversation.leaf = conversation.messages.create(
        parent=prompt, role=Role.ASSISTANT, text=f"Answer of {title}", status=status, **values
    )
    conversation.save()
    return conversation


@pytest.fixture
def talks(ann: User, bob: User) -> dict[str, Conversation]:
    good = said(ann, "Good")
    again = good.messages.create(
        parent=good.leaf.parent if good.leaf else None,
        role=Role.ASSISTANT,
        text="Once more, with zebras",
        thinking="quagga",
        status=Status.FAILED,
    )
    Feedback.objects.create(message=again, rating=1)
    bad = said(bob, "Bad", Status.LENGTH, effort="high")
    Feedback.objects.create(message=cast(Message, bad.leaf), rating=-1, note="No.")
    Review.objects.create(conversation=bad, flag="problem")
    return {"Good": good, "Bad": bad, "Plain": said(bob, "Plain")}


def titles(page: str) -> set[str]:
    return set(re.findall(r'<th class="field-__str__"><a [^>]*>([^<]*)</a>', page))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Good", "Bad", "Plain"}),
        ("person=bob", {"Bad", "Plain"}),
        ("person=nobody", set()),
        ("effort=high", {"Bad"}),
        ("outcome=length", {"Bad"}),
        ("outcome=failed", set()),
        ("any_outcome=failed", {"Good"}),
        ("feedback=good", {"Good"}),
        ("feedback=bad", {"Bad"}),
        ("feedback=note", {"Bad"}),
        ("feedback=none", {"Plain"}),
        ("flag=problem", {"Bad"}),
        ("flag=none", {"Good", "Plain"}),
        ("flag=none&person=bob", {"Plain"}),
        ("updated_at__year=1999", set()),
        ("updated_at__gte=2001-01-01+00:00:00%2B00:00", {"Good", "Bad", "Plain"}),
        ("q=zebra", {"Good"}),
        ("q=quagga", {"Good"}),
        ("q=plain", {"Plain"}),
        ('q="answer+of+bad"', {"Bad"}),
        ("q=prompt&feedback=bad", {"Bad"}),
        ("q=zebra+plain", set()),
        ("q=!?", set()),
    ],
)
def test_it_is_narrowed(admin: Client, talks: dict[str, Conversation], query: str, found: set[str]) -> None:
    assert titles(admin.get(f"{LIST}?{query}").content.decode()) == found


def test_titles_are_found(admin: Client, talks: dict[str, Conversation]) -> None:
    Conversation.objects.filter(title="Plain").update(title="Unspoken")
    assert titles(admin.get(f"{LIST}?q=unspok").content.decode()) == {"Unspoken"}


def test_it_shows_what_a_reviewer_chooses_by(admin: Client, talks: dict[str, Conversation]) -> None:
    page = admin.get(f"{LIST}?q=bad").content.decode()
    row = re.findall(r'<td class="field-(\w+)(?: nowrap)?">(.*?)</td>', page)
    assert dict(row) == {
        "person": "bob",
        "messages": "2",
        "tokens": "1,234",
        "last_outcome": "Cut off at its limit",
        "feedback": "−1",
        "flag": "Problem",
        "updated_on": ANY,
    }


def test_an_empty_list_says_so(admin: Client) -> None:
    assert "0 conversations" in admin.get(LIST).content.decode()


def test_it_takes_as_many_queries_for_many_as_for_one(
    admin: Client, ann: User, talks: dict[str, Conversation], django_assert_max_num_queries: object
) -> None:
    for number in range(20):
        more = said(ann, f"Talk {number}")
        Review.objects.create(conversation=more, flag="done")
        Feedback.objects.create(message=cast(Message, more.leaf), rating=1)
    for url, limit in (
        (LIST, 11),
        (f"{LIST}?q=answer&feedback=good", 11),
        (f"{LIST}{talks['Good'].pk}/change/", 18),
        ("/admin/chat/message/", 9),
    ):
        with django_assert_max_num_queries(limit):  # type: ignore[operator]
            assert admin.get(url).status_code == 200


# Export


def exported(record: export.Writer, *chosen: Conversation) -> list[dict[str, object]]:
    return [json.loads(line) for line in "".join(export.lines([each.pk for each in chosen], record)).splitlines()]


def test_chat_messages_are_one_line_each(talks: dict[str, Conversation]) -> None:
    Message.objects.filter(text="Answer of Bad").update(thinking="Hm.\n\té", text="A\nB")
    Conversation.objects.filter(title="Bad").update(instructions="Be brief.")
    bad, good = exported(export.chat_record, talks["Bad"], talks["Good"])
    assert bad["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Prompt of Bad"},
        {"role": "assistant", "content": "A\nB", "reasoning": "Hm.\n\té"},
    ]
    metadata = cast(dict[str, object], bad["metadata"])
    assert (metadata["conversation"], metadata["flag"]) == (str(talks["Bad"].pk), "problem")
    (answer,) = cast(list[dict[str, object]], metadata["answers"])
    assert (answer["outcome"], answer["rating"], answer["note"]) == ("length", -1, "No.")
    assert cast(dict[str, object], good["metadata"])["title"] == "Good"


def test_nobodys_name_is_exported(talks: dict[str, Conversation]) -> None:
    forms = (export.chat_record, export.harmony_record)
    lines = [line for record in forms for line in exported(record, *talks.values())]
    assert len(lines) == 6
    assert not re.search(r"\b(ann|bob)\b", json.dumps(lines))
    assert len({cast(dict[str, str], line["metadata"])["person"] for line in lines}) == 2


def test_harmony_is_exactly_what_was_sent_and_written(talks: dict[str, Conversation]) -> None:
    """Also where a text spells a control token, which the ids alone tell from a real one."""
    prompt = [200006, 1428, 200008, *encode("<|end|>"), 200007]
    written = [200005, 17196, 200008, 18, 200002]
    values = {"prompt_token_ids": TokenIdsField.pack(prompt), "token_ids": TokenIdsField.pack(written)}
    Message.objects.filter(text="Answer of Bad").update(**values)
    (line,) = exported(export.harmony_record, talks["Bad"])
    assert line["token_ids"] == prompt + written
    assert line["harmony"] == harmony.visible_prompt(prompt + written)


def test_harmony_is_rendered_where_no_ids_were_kept(talks: dict[str, Conversation]) -> None:
    Message.objects.filter(text="Answer of Bad").update(thinking="Hm.")
    (line,) = exported(export.harmony_record, talks["Bad"])
    text = cast(str, line["harmony"])
    thought = "<|start|>assistant<|channel|>analysis<|message|>Hm.<|end|>"
    assert text.endswith(f"{thought}<|start|>assistant<|channel|>final<|message|>Answer of Bad<|return|>")
    assert encoding().encode(text, allowed_special="all") == line["token_ids"]


@pytest.mark.django_db(transaction=True)
async def test_a_selection_is_logged_and_streamed(
    async_client: AsyncClient, admin_user: User, talks: dict[str, Conversation]
) -> None:
    await async_client.aforce_login(admin_user)
    data = {"action": "export_chat", "select_across": "1", "_selected_action": [str(talks["Bad"].pk)]}
    response = cast(StreamingHttpResponse, await async_client.post(LIST, data))
    logged = AuditEntry.objects.filter(look=Look.EXPORTED, detail="chat")
    assert {entry.conversation_key async for entry in logged} == {talk.pk for talk in talks.values()}
    assert response["Content-Type"] == "application/jsonl"
    assert re.search(r'filename="conversations-chat-[\d-]+\.jsonl"', response["Content-Disposition"])
    content = b"".join([piece async for piece in response])
    assert len(content.splitlines()) == 3
