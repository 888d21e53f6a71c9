from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from chat.models import Conversation, Message, Status, TokenIdsField
from chat.transfer import document
from tests.chat.transfer.conftest import import_json


def without_id(written: dict[str, object]) -> dict[str, object]:
    return {**written, "id": ""}


def test_nothing_is_lost_on_the_way_to_another_account_and_back(rich: Conversation, bob: User) -> None:
    written = document.write(rich)
    assert import_json(bob, written).imported == 1
    copy = Conversation.objects.for_user(bob).get()
    assert copy.pk != rich.pk
    assert without_id(document.write(copy)) == without_id(written)
    assert copy.leaf is not None
    assert TokenIdsField.unpack(copy.leaf.token_ids) == [200005, 35644, 200008, 23]


def test_what_was_deleted_comes_back_under_its_own_address(rich: Conversation, ann: User) -> None:
    written = document.write(rich)
    Conversation.objects.all().delete()
    import_json(ann, json.loads(json.dumps(written)))
    assert document.write(Conversation.objects.get()) == written


def test_a_conversation_without_a_title_stays_without(rich: Conversation, bob: User) -> None:
    Conversation.objects.update(title="")
    rich.refresh_from_db()
    import_json(bob, document.write(rich))
    assert Conversation.objects.for_user(bob).get().title == ""


def test_the_document_has_every_field_of_its_rows(rich: Conversation) -> None:
    internal = {"id", "conversation", "parent", "html", "html_version", "run", "key"}
    fields = {field.name for field in Message._meta.concrete_fields} - internal
    assert set(document.MESSAGE_FIELDS) == fields
    fields = {field.name for field in Conversation._meta.concrete_fields} - {"id", "owner", "leaf", "deleted_at"}
    assert set(document.CONVERSATION_FIELDS) == fields


def test_a_running_answer_comes_in_as_interrupted(rich: Conversation, bob: User) -> None:
    rich.messages.filter(text="8, bec").update(status=Status.STREAMING)
    import_json(bob, document.write(rich))
    copy = Conversation.objects.for_user(bob).get()
    assert copy.leaf is not None
    assert copy.leaf.status == Status.INTERRUPTED


Messages = list[dict[str, object]]


def _turn_round(messages: Messages) -> None:
    messages[0]["parent"] = messages[-1]["id"]


def _double(messages: Messages) -> None:
    messages[1]["id"] = messages[0]["id"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda messages: messages[0].update(role="system"), "unknown value"),
        (lambda messages: messages[0].pop("role"), "no role"),
        (lambda messages: messages[0].update(role=None), "no role"),
        (lambda messages: messages[0].update(status=["complete"]), "unknown value"),
        (lambda messages: messages[0].update(created_at="yesterday"), "times"),
        (lambda messages: messages[0].update(token_ids="?"), "token ids"),
        (lambda messages: messages[0].update(token_ids="AAAA"), "token ids"),
        (lambda messages: messages[0].update(prompt_token_ids="/////w=="), "token ids"),
        (lambda messages: messages[0].update(feedback={"note": "?"}), "rating"),
        (_turn_round, "tree"),
        (_double, "tree"),
        (lambda messages: messages.clear(), "no messages"),
        (lambda messages: messages.extend(messages[:1] * 10_000), "10000 messages"),
    ],
)
def test_a_spoiled_document_is_refused_in_whole(
    rich: Conversation, bob: User, spoil: Callable[[Messages], None], reason: str
) -> None:
    written = json.loads(json.dumps(document.write(rich)))
    spoil(written["messages"])
    report = import_json(bob, written)
    assert (report.imported, report.unreadable) == (0, 1)
    assert reason in report.problems[0]
    assert not Conversation.objects.for_user(bob).exists()


def test_a_newer_version_is_refused(rich: Conversation, bob: User) -> None:
    report = import_json(bob, {**document.write(rich), "version": 2})
    assert "update" in report.problems[0]


def test_values_of_wrong_types_are_left_out(bob: User) -> None:
    entry = {"id": 1, "parent": 99, "role": "user", "text": ["no"], "max_tokens": -5, "model": 7, "total_seconds": True}
    written = {"format": document.FORMAT, "version": 1, "title": 5, "instructions": {}, "leaf": [], "messages": [entry]}
    assert import_json(bob, written).imported == 1
    message = Message.objects.get()
    assert (message.text, message.max_tokens, message.model, message.total_seconds) == ("", 0, "", None)
    assert message.conversation.leaf == message


def test_an_answer_without_tokens_is_not_offered_to_go_on(rich: Conversation, bob: User) -> None:
    written = document.write(rich)
    messages = written["messages"]
    assert isinstance(messages, list)
    messages[-1]["token_ids"] = ""
    import_json(bob, written)
    copy = Conversation.objects.for_user(bob).get()
    assert copy.leaf is not None
    assert not copy.leaf.can_continue
