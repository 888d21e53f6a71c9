"""What reviewers leave with somebody's conversation, and the log of who looked at whose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.conversation import Conversation


class Flag(models.TextChoices):
    ATTENTION = "attention", _("Needs attention")
    PROBLEM = "problem", _("Problem")
    EXAMPLE = "example", _("Good example")
    DONE = "done", _("Reviewed")


class Review(models.Model):
    """At most one for each conversation: how reviewers marked it."""

    conversation = models.OneToOneField(Conversation, on_delete=models.CASCADE, related_name="review", primary_key=True)
    flag = models.CharField(_("flag"), max_length=12, choices=Flag, blank=True, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.get_flag_display()} ({self.conversation_id})"


class ReviewNote(models.Model):
    """What a reviewer wrote about a conversation, for other reviewers."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="review_notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField(_("note"), max_length=5000)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["created_at", "pk"]

    def __str__(self) -> str:
        return self.text


class Look(models.TextChoices):
    """What somebody did with other people's conversations."""

    LISTED = "listed", _("listed")
    SEARCHED = "searched", _("searched")
    READ = "read", _("read")
    EXPORTED = "exported", _("exported")
    FLAGGED = "flagged", _("flagged")
    NOTED = "noted", _("noted")
    DELETED = "deleted", _("deleted")


class AppendOnlyError(Exception):
    """The audit log was to be changed, or lose a line."""

    def __init__(self) -> None:
        super().__init__("The audit log takes new lines only: none of them is changed or deleted.")


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    def update(self, **values: object) -> NoReturn:
        raise AppendOnlyError

    def bulk_update(self, *arguments: object, **options: object) -> NoReturn:
        raise AppendOnlyError

    def bulk_create(self, objs: Iterable[AuditEntry], *arguments: object, **options: object) -> list[AuditEntry]:
        if arguments or options:  # some of which would change lines
            raise AppendOnlyError
        return super().bulk_create(objs)

    def delete(self) -> NoReturn:
        raise AppendOnlyError


class AuditEntry(models.Model):
    """One line of the log, for ever: names and keys are copied, so that it outlives what it tells of."""

    created_at = models.DateTimeField(_("time"), default=timezone.now, db_index=True)
    actor_key = models.BigIntegerField(db_index=True)
    actor_name = models.CharField(_("who"), max_length=150)
    look = models.CharField(_("what"), max_length=10, choices=Look)
    conversation_key = models.UUIDField(_("conversation"), null=True, db_index=True)
    owner_name = models.CharField(_("whose"), max_length=150, blank=True)
    detail = models.CharField(_("detail"), max_length=500, blank=True)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ("view",)
        ordering = ["-created_at", "-pk"]
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M} {self.actor_name} {self.look} {self.owner_name}"

    def save(
        self,
        *,
        force_insert: bool | tuple[models.base.ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        if force_update or not self._state.adding:
            raise AppendOnlyError
        super().save(force_insert=True, using=using)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> NoReturn:
        raise AppendOnlyError
