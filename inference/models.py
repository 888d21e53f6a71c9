"""What the server keeps beside conversations: API keys, a record of each generation, stored responses."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KEY_BYTES = 32
MAX_KEYS = 50
"""So many a person can have at once, the expired ones included."""

SHOWN_CHARACTERS = 7
"""So much of a key is kept readable, to tell it from others: `sk-` and four more."""


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def for_user(self, user: User) -> ApiKeyQuerySet:
        return self.filter(user=user)

    def unrevoked(self) -> ApiKeyQuerySet:
        """Those that their people see; a revoked one only stays for the usage records."""
        return self.filter(revoked_at=None)

    def usable(self) -> ApiKeyQuerySet:
        """Neither revoked nor expired, and their people may log in."""
        unexpired = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
        return self.unrevoked().filter(unexpired, user__is_active=True)

    def with_secret(self, secret: str) -> ApiKeyQuerySet:
        return self.filter(digest=digest_of(secret))


class ApiKey(models.Model):
    """Lets a program act for a person. The secret itself is not kept, so it is shown once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=SHOWN_CHARACTERS)
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the secret, in hexadecimal.")
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(cls, user: User, name: str, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
        """Save a new key; returns it with its secret, which nobody can find out later.

        Raises ValidationError where the person has MAX_KEYS already.
        """
        secret = f"sk-{secrets.token_urlsafe(KEY_BYTES)}"
        with transaction.atomic():
            get_user_model().objects.select_for_update().get(pk=user.pk)  # one new key at a time: they are counted
            if cls.objects.for_user(user).unrevoked().count() >= MAX_KEYS:
                text = _("There are %(limit)s keys already, as many as a person can have. Revoke one first.")
                raise ValidationError(text, params={"limit": MAX_KEYS})
            key = cls.objects.create(
                user=user, name=name, prefix=secret[:SHOWN_CHARACTERS], digest=digest_of(secret), expires_at=expires_at
            )
        return key, secret

    def revoke(self) -> None:
        """From now on the secret is refused; what was revoked before stays as it was."""
        if self.revoked_at is None:
            self.revoked_at = timezone.now()
            self.save(update_fields=["revoked_at"])

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


def digest_of(secret: str) -> str:
    """256 random bits need no slow hash: there is nothing to guess."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Source(models.TextChoices):
    """Through which door a generation was asked for."""

    CHAT = "chat"
    COMMAND = "command"
    GENERATE = "generate"
    CHAT_COMPLETIONS = "chat_completions"
    RESPONSES = "responses"


class RefusalReason(models.TextChoices):
    BUSY = "busy"
    LIMIT = "limit"


def local_hour() -> int:
    return timezone.localtime().hour


class UsageRecord(models.Model):
    """One generation: who asked, what it cost, how it ended. No text of it.

    Tokens are those of this generation alone, also where it went on with an answer. Seconds count from the
    request to the engine; `completion_tokens` has thinking, answer and what frames them.

    Day and hour are columns because SQLite would compute them from a time in Python, row by row.
    """

    created_at = models.DateTimeField(default=timezone.now, db_index=True, help_text="When it was admitted.")
    day = models.DateField(default=timezone.localdate, help_text="Of TIME_ZONE.")
    hour = models.PositiveSmallIntegerField(default=local_hour, help_text="Of TIME_ZONE, 0 to 23.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="usage")
    source = models.CharField(max_length=16, choices=Source)
    model = models.CharField(max_length=200)
    prompt_tokens = models.PositiveIntegerField()
    thinking_tokens = models.PositiveIntegerField()
    answer_tokens = models.PositiveIntegerField()
    completion_tokens = models.PositiveIntegerField()
    dropped_turns = models.PositiveIntegerField(help_text="Earlier turns left out to make the prompt fit.")
    first_token_seconds = models.FloatField(null=True)
    total_seconds = models.FloatField()
    outcome = models.CharField(max_length=11, help_text="complete, length, stopped, interrupted or failed.")

    class Meta:
        verbose_name = _("generation")
        verbose_name_plural = _("generations")
        indexes = [
            models.Index(fields=["user", "day"], name="usage_of_user_and_day"),
            models.Index(fields=["day", "user"], name="usage_of_day"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.created_at:%Y-%m-%d %H:%M}: {self.outcome}"


class Refusal(models.Model):
    """How often somebody was refused within one hour, before anything was generated."""

    day = models.DateField(default=timezone.localdate, help_text="Of TIME_ZONE.")
    hour = models.PositiveSmallIntegerField(default=local_hour, help_text="Of TIME_ZONE, 0 to 23.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=16, choices=Source)
    reason = models.CharField(max_length=12, choices=RefusalReason)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "hour", "user", "source", "reason"], name="refusals_are_counted")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.reason}: {self.count}"


class DailyLimits(models.Model):
    """How much a person may have generated on one day of TIME_ZONE; without a row, or where it is None, any amount.

    What runs counts: a generation from its admission on, its prompt's tokens too, what it writes at its end.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="daily_limits", primary_key=True
    )
    generations = models.PositiveIntegerField(
        _("generations a day"), null=True, blank=True, help_text=_("Empty: any number.")
    )
    tokens = models.PositiveIntegerField(
        _("tokens a day"),
        null=True,
        blank=True,
        help_text=_("Prompts and all that is written. Empty: any number."),
    )

    class Meta:
        verbose_name = verbose_name_plural = _("daily limits")

    def __str__(self) -> str:
        return str(self.user)


class StoredResponseQuerySet(models.QuerySet["StoredResponse"]):
    def for_user(self, user: User) -> StoredResponseQuerySet:
        return self.filter(user=user)


class StoredResponse(models.Model):
    """An answer of /v1/responses that its owner asked to store, with all items that led to it."""

    id = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="stored_responses")
    created_at = models.DateTimeField(default=timezone.now)
    body = models.JSONField(help_text="The response object as it was sent.")
    items = models.JSONField(help_text="Input and output items, oldest first, those of earlier responses included.")

    objects = StoredResponseQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["user", "-created_at"], name="responses_of_user")]

    def __str__(self) -> str:
        return self.id
