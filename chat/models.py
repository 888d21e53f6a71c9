"""Conversations and their messages.

Messages form a tree: an edited prompt or a regenerated answer is a sibling of the old one. What the
page shows is the path from the root to the conversation's `leaf`.
"""

from __future__ import annotations

import uuid
from array import array
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.urls import reverse

from inference.harmony import Effort
from inference.request import tokens_per_second

TITLE_CHARACTERS = 60


class Role(models.TextChoices):
    USER = "user"
    ASSISTANT = "assistant"


class Status(models.TextChoices):
    """`streaming`, or the one outcome in which every reply ends."""

    STREAMING = "streaming"
    COMPLETE = "complete"
    LENGTH = "length"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class EffortChoice(models.TextChoices):
    LOW = Effort.LOW.value, "Low"
    MEDIUM = Effort.MEDIUM.value, "Medium"
    HIGH = Effort.HIGH.value, "High"


class TokenIdsField(models.BinaryField):  # type: ignore[type-arg]  # not generic at run time
    """Token ids as packed 32-bit integers in the machine's byte order: exact, and 4 bytes a token."""

    @staticmethod
    def pack(token_ids: Iterable[int]) -> bytes:
        return array("I", token_ids).tobytes()

    @staticmethod
    def unpack(packed: bytes | memoryview) -> list[int]:
        ids = array("I")
        ids.frombytes(bytes(packed))
        return ids.tolist()


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def for_user(self, user: AbstractBaseUser | AnonymousUser) -> ConversationQuerySet:
        return self.filter(owner_id=user.pk) if user.is_authenticated else self.none()

    def started(self) -> ConversationQuerySet:
        """Those with at least one message; an empty one is not history yet."""
        return self.filter(leaf__isnull=False)

    def recent(self) -> ConversationQuerySet:
        return self.order_by("-updated_at", "-pk")

    def blank_for(self, user: AbstractBaseUser) -> Conversation:
        """The user's unused conversation, made if there is none."""
        blank = self.filter(owner_id=user.pk, leaf__isnull=True).recent().first()
        return blank or self.create(owner_id=user.pk)


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=200, blank=True)
    effort = models.CharField(max_length=6, choices=EffortChoice, blank=True)
    leaf = models.ForeignKey("Message", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now_add=True, db_index=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["owner", "-updated_at"])]

    def __str__(self) -> str:
        return self.title or "New conversation"

    def get_absolute_url(self) -> str:
        return reverse("chat:conversation", args=[self.pk])

    def current_effort(self) -> str:
        return self.effort or str(settings.DEFAULT_REASONING_EFFORT)

    def path(self, to: int | None = None) -> list[Message]:
        """The shown messages, oldest first, or those down to message `to`; token ids are left in the database."""
        messages = {message.pk: message for message in self.messages.without_token_ids()}
        versions: dict[int | None, list[Message]] = {}
        for message in messages.values():
            versions.setdefault(message.parent_id, []).append(message)
        path = []
        shown = messages.get(to or self.leaf_id or 0)
        while shown is not None:
            shown.set_versions(versions[shown.parent_id])
            path.append(shown)
            shown = messages.get(shown.parent_id or 0)
        return path[::-1]


class MessageQuerySet(models.QuerySet["Message"]):
    def without_token_ids(self) -> MessageQuerySet:
        return self.defer("token_ids", "prompt_token_ids")

    def streaming(self) -> MessageQuerySet:
        return self.filter(status=Status.STREAMING)


class Message(models.Model):
    """A prompt, or an answer with its thinking and the facts of how it came about."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="children")
    role = models.CharField(max_length=9, choices=Role)
    status = models.CharField(max_length=11, choices=Status, default=Status.COMPLETE, db_index=True)
    text = models.TextField(blank=True)
    thinking = models.TextField(blank=True)
    error = models.CharField(max_length=500, blank=True, help_text="Why it failed, for the reader.")
    created_at = models.DateTimeField(auto_now_add=True)
    saved_at = models.DateTimeField(auto_now_add=True, help_text="The last checkpoint, or the end.")

    effort = models.CharField(max_length=6, choices=EffortChoice, blank=True)
    model = models.CharField(max_length=200, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    max_tokens = models.PositiveIntegerField(default=0, help_text="The limit it was written under.")
    dropped_turns = models.PositiveIntegerField(default=0, help_text="Oldest turns left out of the context.")
    thinking_tokens = models.PositiveIntegerField(default=0)
    answer_tokens = models.PositiveIntegerField(default=0)
    first_token_seconds = models.FloatField(null=True, blank=True)
    thinking_seconds = models.FloatField(null=True, blank=True)
    total_seconds = models.FloatField(null=True, blank=True)
    is_malformed = models.BooleanField(default=False, help_text="The model's Harmony was repaired.")

    run = models.CharField(max_length=32, blank=True, editable=False, help_text="Which reply writes it, or did last.")
    key = models.CharField(max_length=64, blank=True, help_text="Sent with the prompt, so that it counts once.")
    prompt_token_ids = TokenIdsField(default=bytes, editable=False, help_text="Exactly what the model was sent.")
    token_ids = TokenIdsField(default=bytes, editable=False, help_text="Exactly what the model wrote.")

    objects = MessageQuerySet.as_manager()

    version, versions = 1, 1
    previous_version: int | None = None
    next_version: int | None = None

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "key"], condition=~models.Q(key=""), name="prompt_counts_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.role} message {self.pk}"

    def set_versions(self, siblings: Sequence[Message]) -> None:
        """Note which of its versions (oldest first, itself among them) this is, for the page."""
        keys = [sibling.pk for sibling in siblings]
        index = keys.index(self.pk)
        self.version, self.versions = index + 1, len(keys)
        self.previous_version = keys[index - 1] if index else None
        self.next_version = keys[index + 1] if index + 1 < len(keys) else None

    @property
    def is_streaming(self) -> bool:
        return self.status == Status.STREAMING

    @property
    def is_thinking_only(self) -> bool:
        return bool(self.thinking) and not self.text.strip() and not self.is_streaming

    @property
    def can_continue(self) -> bool:
        """Whether it was cut off before its end, with something to go on from."""
        is_cut = self.status in (Status.LENGTH, Status.STOPPED, Status.INTERRUPTED, Status.FAILED)
        return is_cut and bool(self.thinking or self.text)

    @property
    def can_answer_now(self) -> bool:
        """Whether there is thinking that an answer can be demanded for."""
        return bool(self.thinking) and not self.text.strip()

    @property
    def tokens_per_second(self) -> float | None:
        tokens = self.thinking_tokens + self.answer_tokens
        return tokens_per_second(tokens, self.first_token_seconds, self.total_seconds)
