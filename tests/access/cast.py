"""The people of docs/access.md, what they have, and how their browsers and programs ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from django.apps import apps
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from chat.accounts.groups import make_groups
from chat.models import AuditEntry, Conversation, Feedback, Invitation, Look, Message, Preset, Role
from inference.models import ApiKey, DailyLimits, StoredResponse, UsageRecord

QUICK_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
PASSWORD = "correct-horse-7"
CSRF_TOKEN = "t" * 32

NOBODY = ("anonymous", "disabled", "logged out")
"""Whoever has no session that lasts: all of them are told the same."""

DEAD_KEYS = ("revoked key", "expired key", "disabled person's key")
GROUPS = {"reviewer": "Reviewers", "manager": "User managers", "viewer": "Usage viewers"}
PEOPLE = ("owner", "other", "staff", *GROUPS, "superuser")


@dataclass(frozen=True, slots=True)
class Belongings:
    """Of one person, one of each."""

    talk: Conversation
    prompt: Message
    answer: Message
    deleted: Conversation
    preset: Preset
    key: ApiKey
    secret: str
    response: StoredResponse

    @classmethod
    def of(cls, user: User, word: str) -> Belongings:
        """`word` is in all that was said."""
        talk = Conversation.objects.create(owner=user, title=f"A talk about {word}")
        prompt = talk.messages.create(role=Role.USER, text=f"What is {word}?")
        answer = talk.messages.create(parent=prompt, role=Role.ASSISTANT, text=f"It is {word}.", effort="low")
        talk.leaf = answer
        talk.save()
        Feedback.objects.create(message=answer, rating=1, note=word)
        key, secret = ApiKey.issue(user, f"Editor for {word}")
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
        response = StoredResponse.objects.create(pk=f"resp_{user.pk:032x}", user=user, body={"said": word}, items=[])
        return cls(
            talk=talk,
            prompt=prompt,
            answer=answer,
            deleted=Conversation.objects.create(owner=user, title=f"Never mind {word}", deleted_at=timezone.now()),
            preset=Preset.objects.create(owner=user, name=word, instructions=f"Speak of {word}."),
            key=key,
            secret=secret,
            response=response,
        )


@dataclass(frozen=True, slots=True)
class Cast:
    people: Mapping[str, User]
    sessions: dict[str, str]
    """Actor → the key that their browser keeps, of a session that lasts or not."""
    secrets: Mapping[str, str]
    """Actor → the secret that their program keeps."""
    owner: Belongings
    other: Belongings
    staff: Belongings
    invitation: Invitation
    audit_entry: AuditEntry
    usage_record: UsageRecord = field(repr=False)

    def cookies(self, actor: str) -> dict[str, str]:
        """Of their browser."""
        session = {"sessionid": self.sessions[actor]} if actor in self.sessions else {}
        return {"csrftoken": CSRF_TOKEN, **session}

    def renew_session(self, actor: str) -> None:
        self.sessions[actor] = _session(self.people[actor])

    def headers(self, actor: str) -> dict[str, str]:
        """Everybody brings a CSRF token; a program its key, too."""
        key = {"Authorization": f"Bearer {self.secrets[actor]}"} if actor in self.secrets else {}
        return {"X-CSRFToken": CSRF_TOKEN, **key}


def make_cast() -> Cast:
    make_groups(apps)  # of which a test that empties the database has left none
    people = {name: User.objects.create_user(name, password=PASSWORD) for name in ("owner", "other", "disabled")}
    for name in ("staff", *GROUPS, "superuser"):
        person = User.objects.create_user(name, password=PASSWORD, is_staff=True, is_superuser=name == "superuser")
        person.groups.set(Group.objects.filter(name=GROUPS.get(name)))
        people[name] = person
    owner, other = Belongings.of(people["owner"], "walnuts"), Belongings.of(people["other"], "almonds")
    DailyLimits.objects.create(user=people["owner"], generations=100)
    cast = Cast(
        people=people,
        sessions={name: _session(person) for name, person in people.items()} | {"logged out": _left(people["owner"])},
        secrets={"key": owner.secret, "other's key": other.secret} | _dead_secrets(people),
        owner=owner,
        other=other,
        staff=Belongings.of(people["staff"], "cashews"),
        invitation=_invitation(people["manager"]),
        audit_entry=AuditEntry.objects.create(actor_key=people["reviewer"].pk, actor_name="reviewer", look=Look.LISTED),
        usage_record=UsageRecord.objects.create(
            user=people["owner"],
            source="chat",
            model="demo",
            outcome="complete",
            total_seconds=1.0,
            **dict.fromkeys(
                ("prompt_tokens", "thinking_tokens", "answer_tokens", "completion_tokens", "dropped_turns"), 1
            ),
        ),
    )
    User.objects.filter(pk=people["disabled"].pk).update(is_active=False)
    return cast


def _session(person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.cookies["sessionid"].value


def _left(person: User) -> str:
    """The key of a session that was logged out; the browser kept it."""
    client = Client()
    client.force_login(person)
    key = client.cookies["sessionid"].value
    client.logout()
    return key


def _dead_secrets(people: Mapping[str, User]) -> dict[str, str]:
    revoked, revoked_secret = ApiKey.issue(people["owner"], "revoked")
    revoked.revoke()
    _, expired_secret = ApiKey.issue(people["owner"], "expired", timezone.now() - timedelta(seconds=1))
    _, disabled_secret = ApiKey.issue(people["disabled"], "of a disabled person")
    return dict(zip(DEAD_KEYS, (revoked_secret, expired_secret, disabled_secret), strict=True))


def _invitation(manager: User) -> Invitation:
    invitation = Invitation(name="Carl", created_by=manager, expires_at=timezone.now() + timedelta(days=1))
    invitation.draw_secret()
    invitation.save()
    return invitation
