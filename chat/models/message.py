"""One prompt or one answer, with what the model was sent and how it went."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from django.db import DatabaseError, models
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from chat.markdown import document
from chat.models.effort import EffortChoice
from inference.request import tokens_per_second

if TYPE_CHECKING:
    from chat.models.feedback import Feedback

logger = logging.getLogger(__name__)


class Role(models.TextChoices):
    USER = "user"
    ASSISTANT = "assistant"


class Status(models.TextChoices):
    """`streaming`, or the one outcome in which every reply ends."""

    STREAMING = "streaming", _("Running")
    COMPLETE = "complete", _("Complete")
    LENGTH = "length", _("Cut off at its limit")
    STOPPED = "stopped", _("Stopped")
    INTERRUPTED = "interrupted", _("Interrupted")
    FAILED = "failed", _("Failed")


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


class MessageQuerySet(models.QuerySet["Message"]):
    def without_token_ids(self) -> MessageQuerySet:
        return self.defer("token_ids", "prompt_token_ids")

    def streaming(self) -> MessageQuerySet:
        return self.filter(status=Status.STREAMING)

    def keep_html(self, messages: Iterable[Message]) -> None:
        """Save what had to be rendered for a page, for the next one; unless the message has changed meanwhile."""
        try:
            for message in messages:
                if message.is_fresh:
                    as_seen = {name: getattr(message, name) for name in ("pk", "run", "status", "saved_at")}
                    self.filter(**as_seen).update(html=message.html, html_version=message.html_version)
        except DatabaseError:
            logger.exception("Rendered answers could not be kept.")


class Message(models.Model):
    """A prompt, or an answer with its thinking and the facts of how it came about."""

    conversation = models.ForeignKey("chat.Conversation", on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="children")
    role = models.CharField(max_length=9, choices=Role)
    status = models.CharField(max_length=11, choices=Status, default=Status.COMPLETE, db_index=True)
    text = models.TextField(blank=True)
    thinking = models.TextField(blank=True)
    error = models.CharField(max_length=500, blank=True, help_text="Why it failed, for the reader.")
    html = models.TextField(blank=True, editable=False, help_text="The answer as rendered, once it has ended.")
    html_version = models.PositiveSmallIntegerField(default=0, editable=False, help_text="By which renderer.")
    created_at = models.DateTimeField(default=timezone.now)
    saved_at = models.DateTimeField(default=timezone.now, help_text="The last checkpoint, or the end.")

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

    is_fresh = False
    """Whether its HTML was rendered just now."""
    position = 0
    """In the path; the first is 0."""
    earlier: int | None = None
    """Of the first message on a page: from where on more can be shown."""
    later: int | None = None
    """Of the last message on a page that is not the end: the next one."""
    version, versions = 1, 1
    previous_version: int | None = None
    next_version: int | None = None

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "key"], condition=~models.Q(key=""), name="prompt_counts_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.role} message {self.pk}"

    def set_versions(self, keys: Sequence[int]) -> None:
        """Note which of its versions (oldest first, itself among them) this is, for the page."""
        index = keys.index(self.pk)
        self.version, self.versions = index + 1, len(keys)
        self.previous_version = keys[index - 1] if index else None
        self.next_version = keys[index + 1] if index + 1 < len(keys) else None

    @property
    def answer_html(self) -> SafeString:
        """The answer as rich text, in the reader's language; rendered if that is not kept."""
        if self.is_streaming:
            return document.localised(document.render(self.text))
        if self.html_version != document.VERSION:
            self.render()
        return document.localised(self.html)

    def render(self) -> None:
        """Make the HTML of an ended answer, to be kept."""
        self.html, self.html_version = document.render(self.text), document.VERSION
        self.is_fresh = True

    @property
    def given_feedback(self) -> Feedback | None:
        """As loaded with `select_related`: pages are also rendered where no database can be asked."""
        return self._state.fields_cache.get("feedback")

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
