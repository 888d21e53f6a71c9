"""What is old goes; what people pinned, or an answer is being written into, stays."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.utils import timezone

from chat.models import AuditEntry, Conversation, Invitation, Message
from chat.models.message import Role, Status
from inference.models import Refusal, RefusalReason, Source, StoredResponse, UsageRecord
from localai_site.operations.retention import Rule

pytestmark = pytest.mark.django_db

NOW = timezone.now()
OLD = NOW - timedelta(days=100)


def prune(*arguments: str) -> dict[str, int]:
    """What it says, by the name of the rule."""
    out = StringIO()
    call_command("prune", *arguments, stdout=out)
    lines = [line.strip().partition(" ") for line in out.getvalue().splitlines()[:-1]]
    return {what.removesuffix(" would go"): int(number) for number, _, what in lines}


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


def conversation(owner: User, title: str, status: str = Status.COMPLETE, **fields: object) -> Conversation:
    values: dict[str, object] = {"title": title, "updated_at": OLD, **fields}
    made = Conversation.objects.create(owner=owner, **values)
    made.leaf = Message.objects.create(conversation=made, role=Role.ASSISTANT, status=status)
    made.save(update_fields=["leaf"])
    return made


def titles() -> set[str]:
    return set(Conversation.objects.values_list("title", flat=True))


def test_old_conversations_go_with_their_messages_and_the_others_stay(ann: User) -> None:
    conversation(ann, "old")
    conversation(ann, "archived", is_archived=True)
    conversation(ann, "pinned", is_pinned=True)
    conversation(ann, "running", Status.STREAMING)
    conversation(ann, "new", updated_at=NOW - timedelta(days=89))
    assert prune("--conversations", "90", "--dry-run")["conversations"] == 2
    assert len(titles()) == 5
    assert prune("--conversations", "90")["conversations"] == 2
    assert titles() == {"pinned", "running", "new"}
    assert Message.objects.count() == 3


def test_without_being_asked_neither_conversations_nor_usage_nor_the_audit_log_go(ann: User) -> None:
    conversation(ann, "old")
    usage(ann)
    AuditEntry.objects.create(created_at=OLD, actor_key=ann.pk, actor_name="ann", look="read")
    prune()
    prune("--conversations", "99999", "--usage", "99999")
    assert titles() == {"old"}
    assert UsageRecord.objects.count() == Refusal.objects.count() == AuditEntry.objects.count() == 1


def usage(ann: User) -> None:
    names = ["prompt_tokens", "completion_tokens", "thinking_tokens", "answer_tokens", "dropped_turns", "total_seconds"]
    UsageRecord.objects.create(
        created_at=OLD, user=ann, source=Source.CHAT, outcome="complete", **dict.fromkeys(names, 0)
    )
    Refusal.objects.create(day=OLD.date(), user=ann, source=Source.CHAT, reason=RefusalReason.BUSY, count=3)


def test_old_usage_goes_when_asked(ann: User) -> None:
    usage(ann)
    said = prune("--usage", "99")
    assert (said["usage records"], said["counts of refusals"]) == (1, 1)
    assert not UsageRecord.objects.exists()
    assert not Refusal.objects.exists()


def test_what_nobody_can_use_any_more_always_goes(ann: User) -> None:
    for number, expires in enumerate([NOW - timedelta(seconds=1), NOW + timedelta(days=1)]):
        Session.objects.create(session_key=str(number), expire_date=expires)
        Invitation.objects.create(digest=str(number), expires_at=expires - timedelta(days=30))
        StoredResponse.objects.create(
            pk=str(number), user=ann, created_at=expires - timedelta(days=30), body={}, items=[]
        )
    Invitation.objects.create(digest="used", expires_at=NOW, used_at=NOW - timedelta(days=31))
    Conversation.objects.create(owner=ann, title="empty", updated_at=NOW - timedelta(days=2))
    Conversation.objects.create(owner=ann, title="just begun")
    conversation(ann, "deleted", deleted_at=NOW - timedelta(minutes=2))
    conversation(ann, "can be brought back", deleted_at=timezone.now())
    assert prune() == {
        "expired sessions": 1,
        "stored responses beyond their time": 1,
        "old invitations": 2,
        "conversations that their people deleted": 1,
        "empty conversations": 1,
    }
    assert titles() == {"just begun", "can be brought back"}
    assert not any(prune().values())


def test_it_goes_in_small_steps_and_checks_each_anew(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [conversation(ann, str(number)) for number in range(5)]
    steps: list[int] = []

    def used_again(_: float) -> None:
        steps.append(Conversation.objects.count())
        Conversation.objects.filter(pk__in=[each.pk for each in made]).update(updated_at=NOW)

    monkeypatch.setattr("localai_site.operations.retention.time.sleep", used_again)
    rule = Rule("old", Conversation.objects.filter(updated_at__lt=NOW), at_once=2)
    assert rule.delete() == 2
    assert steps == [3]


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "many", "999999"])
def test_days_that_cannot_be_meant_are_refused(days: str) -> None:
    with pytest.raises(CommandError, match="it must be a number of days, 1 or more"):
        prune(f"--conversations={days}")
